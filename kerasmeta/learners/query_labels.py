"""Checks of the labels of queries, which may be of none of the classes."""

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.learners.loss_values import loss_function

_CROSSENTROPIES = (
    keras.losses.binary_crossentropy,
    keras.losses.binary_focal_crossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.categorical_focal_crossentropy,
    keras.losses.sparse_categorical_crossentropy,
)


def check_query_labels(query_y, classes=None, loss=None):
    """Raise a `ValueError` if labels of queries would be taken for others.

    Args:
        query_y: Labels of queries, `[m]` or `[m, 1]`; other targets and `None`
            are not looked at.
        classes: Number of classes where support labels are integers, else
            `None`.
        loss: What `compile(loss=)` took.
    """
    if query_y is None or tf.nest.is_nested(query_y):
        return
    if query_y.shape[1:] not in ([], [1]) or not np.size(query_y):
        return
    lowest, highest = np.min(query_y), np.max(query_y)
    if not query_y.dtype.is_integer:
        if lowest < 0 and (classes or _is_crossentropy(loss)):
            raise ValueError(
                "Queries of none of the classes have the label -1, an integer; "
                "as a float, the loss would take it for a class. Cast "
                "`query_y` to integers. Received: query_y of dtype "
                f"{query_y.dtype.name}, with the label {lowest}"
            )
    elif classes and (lowest < -1 or highest >= classes):
        raise ValueError(
            f"Labels of queries must be at least 0 and less than {classes}, "
            "the classes of the network's head, or -1 for queries of none of "
            f"the classes. Received: query labels {lowest}..{highest}"
        )


def _is_crossentropy(loss):
    is_one = loss is not None and not tf.nest.is_nested(loss)
    return is_one and loss_function(loss) in _CROSSENTROPIES
