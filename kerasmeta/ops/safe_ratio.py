"""A quotient that is zero where it is not defined."""

import tensorflow as tf


def safe_ratio(numerator, denominator, is_defined):
    """Return the quotient, or zero where it is not defined.

    Gradients are finite in both places.

    Args:
        numerator: Tensor.
        denominator: Tensor, zero or anything else where it is not defined.
        is_defined: Bool, where it is.

    Example:

    >>> from kerasmeta.ops.safe_ratio import safe_ratio
    >>> one, zero = tf.constant(1.0), tf.constant(0.0)
    >>> float(safe_ratio(one, zero, one < zero))
    0.0
    """
    one = tf.ones_like(denominator)
    quotient = numerator / tf.where(is_defined, denominator, one)
    return tf.where(is_defined, quotient, tf.zeros_like(quotient))
