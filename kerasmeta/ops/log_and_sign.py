"""Gradients of all sizes as inputs of a network."""

import math

import tensorflow as tf


def log_and_sign(x, limit=10.0):
    """Return size and sign of numbers, `[..., 2]`, both about -1..1.

    What a network that reads gradients is given, whose sizes differ by powers
    of ten:

    `(log|x| / limit, sign(x))` if `|x| >= exp(-limit)`,
    else `(-1, exp(limit) * x)`

    Reference: Andrychowicz et al., 2016, "Learning to learn by gradient descent
    by gradient descent", arXiv:1606.04474, appendix A.

    Args:
        x: Floating-point tensor.
        limit: Numbers below `exp(-limit)` are not told apart by their
            logarithm.

    Returns:
        `[..., 2]`.

    Example:

    >>> from kerasmeta.ops.log_and_sign import log_and_sign
    >>> log_and_sign(tf.constant([1.0, -1.0, 0.0])).numpy().tolist()
    [[0.0, 1.0], [0.0, -1.0], [-1.0, 0.0]]
    """
    is_large = tf.abs(x) >= math.exp(-limit)
    # The logarithm never sees a zero: its derivatives there are infinite.
    size = tf.where(is_large, tf.abs(x), tf.ones_like(x))
    log_size = tf.where(is_large, tf.math.log(size) / limit, -tf.ones_like(x))
    sign = tf.where(is_large, tf.sign(x), math.exp(limit) * x)
    return tf.stack([log_size, sign], axis=-1)
