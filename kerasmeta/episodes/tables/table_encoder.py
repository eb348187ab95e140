"""A model that turns raw columns into numbers."""

import re

import numpy as np

from kerasmeta.episodes.tables.cells import is_number
from kerasmeta.episodes.tables.cells import is_time
from kerasmeta.episodes.tables.cells import numbers
from kerasmeta.episodes.tables.column_selection import best_columns
from kerasmeta.episodes.tables.encoder_checks import check_spread
from kerasmeta.episodes.tables.encoder_checks import check_words
from kerasmeta.episodes.tables.encoder_model import encoder_model
from kerasmeta.episodes.tables.frames import as_frame
from kerasmeta.episodes.tables.frames import check_columns
from kerasmeta.episodes.tables.frames import keys
from kerasmeta.episodes.tables.frames import strings
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int

_STRATEGIES = ("median", "mean", "most_frequent")


def table_encoder(
    data,
    features=None,
    categorical=None,
    impute="median",
    select=None,
    target=None,
    max_categories=100,
):
    """Return a model from raw columns to float vectors, fitted to a table.

    Use it for tables with gaps, with strings, or with columns of very
    different size. Numbers are imputed, then brought to mean 0 and variance 1;
    categories become one-hot vectors, in which a missing value is a category
    like others, and column 0 is for what the table does not have. Fit it to
    the rows of *training* tasks only.

    Pass it to `episodes_from_table(encoder=)`, which applies it once; or begin
    a network with it, `keras.Model(encoder.input, head(encoder.output))`, and
    draw episodes with `raw=True`: then what you save and export takes raw
    columns, gaps and all. It has no weights, so nothing in it is adapted.

    Args:
        data: `DataFrame`, or path of a CSV file (`.csv`, `.csv.gz`).
        features: Names of the columns to use; by default all but `target`.
            Leave out keys, such as the number of a patient.
        categorical: Names of the columns that are categories, such as numbers
            that stand for countries; by default those that hold no numbers.
            Their values are read as strings. Dates, and strings most of which
            are numerals, have to be named here, or made numbers.
        impute: What replaces a missing number, of its column: `"median"`,
            `"mean"` or `"most_frequent"`, as in scikit-learn's
            `SimpleImputer`.
        select: Number of columns to keep, those with most mutual information
            with `target`, or `None` for all. The others are no inputs of the
            model.
        target: Name of the column to predict; needed for `select`. Numbers
            are taken for classes if they are whole and at most 20 different
            ones, and everything that is no number is.
        max_categories: Most categories that a column may have.

    Returns:
        A built functional `keras.Model` from a dictionary of columns `[n, 1]`,
        float32 numbers (NaN where missing) or strings (`""` where missing), to
        float32 `[n, D]`: first the numbers, then the categories, each in the
        order of `features`.

    Raises:
        ImportError: If pandas or scikit-learn is not installed.
        ValueError: If a column does not exist, is empty, has no numbers, too
            many categories, infinity, or a name that a model cannot have.

    Example:

    >>> import pandas as pd
    >>> data = pd.DataFrame(
    ...     {"age": [30, None, 50], "diet": ["barley", "lupins", None]}
    ... )
    >>> encoder = km.episodes.table_encoder(data)
    >>> row = {"age": [[40.0]], "diet": [["oats"]]}
    >>> encoder({name: tf.constant(row[name]) for name in row}).numpy()
    array([[0., 1., 0., 0., 0.]], dtype=float32)
    """
    frame = as_frame(data, "table_encoder")
    features = _check_features(frame, features, target)
    if categorical is None:
        categorical = [c for c in features if not is_number(frame[c])]
        for column in categorical:
            check_words(frame[column], column)
    elif len(categorical):
        categorical = check_columns(frame[features], categorical, "categorical")
    words = {c: strings(frame[c]) for c in features if c in categorical}
    cells, fill = _fit_numbers(
        frame,
        [c for c in features if c not in words],
        check_choice("impute", impute, _STRATEGIES),
    )
    if select is not None:
        kept = _select(frame, cells, words, target, select)
        cells = {c: v for c, v in cells.items() if c in kept}
        words = {c: v for c, v in words.items() if c in kept}
    categories = {
        c: _categories(c, v, max_categories) for c, v in words.items()
    }
    return encoder_model(cells, fill, categories)


def _check_features(frame, features, target):
    if features is None:
        features = [c for c in frame.columns if c != target]
    features = check_columns(frame, features, "features")
    for column in features:
        if not isinstance(column, str) or not re.fullmatch(
            "[A-Za-z0-9_]+", column
        ):
            raise ValueError(
                "Columns become inputs of a model, whose names may have "
                "letters a-z, digits and _ only. Rename them: `data.rename("
                'columns=lambda c: re.sub("[^A-Za-z0-9_]+", "_", str(c)))`. '
                f"Received: a column named {column!r}"
            )
    return features


def _fit_numbers(frame, columns, strategy):
    """Return imputed numeric columns, and what is missing ones' value."""
    try:
        from sklearn.impute import SimpleImputer
    except ImportError as error:
        raise ImportError(
            "`table_encoder` needs scikit-learn. Install it with "
            "`pip install kerasmeta[tables]`."
        ) from error
    if not columns:
        return {}, {}
    remedy = (
        "Name columns of categories in `categorical`, and leave out others."
    )
    cells = numbers(frame, columns, remedy, missing=True).astype("float64")
    for column, values in zip(columns, cells.T):
        if np.isnan(values).all():
            raise ValueError(
                "Nothing can be imputed from nothing: leave the column out of "
                f"`features`. Received: column {column!r}, in which all of "
                f"{len(values)} rows are missing"
            )
    imputer = SimpleImputer(strategy=strategy)
    cells = imputer.fit_transform(cells)
    check_spread(cells, columns)
    return dict(zip(columns, cells.T)), dict(zip(columns, imputer.statistics_))


def _select(frame, cells, words, target, select):
    count = check_positive_int("select", select)
    columns = len(cells) + len(words)
    if target is None or count > columns:
        raise ValueError(
            "`select` keeps the columns that tell most about `target`: name a "
            f"target, and keep at most {columns} columns. "
            f"Received: select={select}, target={target!r}"
        )
    [target] = check_columns(frame, [target], "target")
    values = keys(frame, [target], "target")
    if is_number(frame[target]) or is_time(frame[target]):
        remedy = "Drop the rows whose target is infinite."
        values = numbers(frame, [target], remedy)[:, 0]
    else:
        values = values.astype(str)
    return best_columns(cells, words, values, count)


def _categories(column, values, max_categories):
    categories = np.unique(values.astype(str)).tolist()
    most = check_positive_int("max_categories", max_categories)
    if len(categories) > most:
        raise ValueError(
            "A column of categories becomes as many numbers. Merge rare ones, "
            "leave the column out of `features`, or allow more. Received: "
            f"column {column!r} with {len(categories)} categories such as "
            f"{categories[0]!r}, max_categories={max_categories}"
        )
    return categories
