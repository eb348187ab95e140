"""Which example belongs to which class."""

import tensorflow as tf


def class_members(labels, ways, mask=None, dtype="bool"):
    """Return one for the class of each example, else zero, `[..., S, N]`.

    Padding belongs to no class.

    Args:
        labels: Integer labels, `[..., S]`.
        ways: Number of classes, `N`.
        mask: Optional `[..., S]`, true for the examples that count.
        dtype: Type of the result.

    Example:

    >>> from kerasmeta.ops.class_members import class_members
    >>> class_members([0, 1, 1], 2, [True, True, False], "int32").numpy()
    array([[1, 0],
           [0, 1],
           [0, 0]], dtype=int32)
    """
    members = tf.one_hot(labels, ways, True, False, dtype="bool")
    if mask is not None:
        members &= tf.cast(mask, "bool")[..., None]
    return tf.cast(members, dtype)
