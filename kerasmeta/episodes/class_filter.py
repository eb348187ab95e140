"""A choice of classes, for splits that have none in common."""

import difflib

import numpy as np


def keep_classes(labels, classes=None):
    """Return the ids of the examples whose class is one of some.

    Args:
        labels: Class of each example, `[num_examples]`.
        classes: List of the classes to keep, or `None` for all of them.

    Returns:
        Sorted int64 vector of example ids.

    Raises:
        ValueError: If `classes` is no list, or names a class that there is not.
    """
    labels = np.asarray(labels)
    if classes is None:
        return np.arange(len(labels))
    is_listed = not isinstance(classes, str) and np.ndim(classes) == 1
    if not is_listed or not len(classes):
        raise ValueError(
            "`classes` must be a list of classes to keep, or `None` for all. "
            f"Received: classes={classes!r}"
        )
    classes = np.asarray(classes).tolist()
    known = np.unique(labels).tolist()
    unknown = sorted(set(classes) - set(known), key=str)
    if unknown:
        raise ValueError(
            "`classes` must be classes of these data, such as "
            f"{_similar(unknown[0], known)}. Received: {len(unknown)} that "
            f"are not, such as {unknown[0]!r}"
        )
    return np.flatnonzero(np.isin(labels, classes))


def _similar(name, known):
    """Return the three known names that look most like a name, in words."""
    words = difflib.get_close_matches(str(name), map(str, known), 3, cutoff=0.6)
    similar = [k for k in known if str(k) in words] or known[:3]
    return ", ".join(map(repr, similar))
