"""Which columns of a table tell most about a target."""

import functools

import numpy as np


def best_columns(numeric, categorical, target, count):
    """Return the names of the `count` columns that tell most, in order.

    By mutual information with the target, as scikit-learn estimates it; it
    sees relations that are not linear, and takes categories as they are.

    Args:
        numeric: Dictionary of names and numbers `[n]` without gaps.
        categorical: Dictionary of names and strings `[n]`.
        target: What is to be predicted, `[n]`: fractions for regression, and
            integers or strings for classes.
        count: How many columns.
    """
    from sklearn.feature_selection import SelectKBest
    from sklearn.feature_selection import mutual_info_classif
    from sklearn.feature_selection import mutual_info_regression
    from sklearn.utils.multiclass import type_of_target

    codes = [np.unique(c, return_inverse=True)[1] for c in categorical.values()]
    names = np.array([*numeric, *categorical], object)
    is_fraction = type_of_target(target) == "continuous"
    score = mutual_info_regression if is_fraction else mutual_info_classif
    selector = SelectKBest(
        functools.partial(
            score,
            discrete_features=np.arange(len(names)) >= len(numeric),
            random_state=0,
        ),
        k=count,
    )
    selector.fit(np.stack([*numeric.values(), *codes], axis=1), target)
    return names[selector.get_support()].tolist()
