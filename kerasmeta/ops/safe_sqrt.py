"""A square root whose derivatives are finite at zero."""

import tensorflow as tf


def safe_sqrt(x):
    """Return `sqrt(x)`, with derivatives of zero where `x` is zero.

    The derivative of a square root at zero is infinite, and infinity times a
    gradient of zero is NaN: one weight with no gradient would spoil them all.

    Args:
        x: Non-negative tensor.

    Example:

    >>> x = tf.constant([0.0, 4.0])
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(x)
    ...     y = km.ops.safe_sqrt(x)
    >>> y.numpy(), tape.gradient(y, x).numpy()
    (array([0., 2.], dtype=float32), array([0.  , 0.25], dtype=float32))
    """
    is_positive = x > 0
    root = tf.sqrt(tf.where(is_positive, x, tf.ones_like(x)))
    return tf.where(is_positive, root, tf.zeros_like(x))
