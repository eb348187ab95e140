"""Vectors of length one, in any precision."""

import tensorflow as tf

# Shorter vectors have no direction: their squares underflow in float32.
_SHORTEST = 1e-15


def unit_vectors(x, axis=-1):
    """Return `x / ||x||`; zeros, with gradients of zero, where `x` is zero.

    Lengths of half precision are computed in float32: in float16 squares
    overflow from 256 on, and what would keep a zero from dividing is itself
    rounded to zero.

    Args:
        x: Tensor.
        axis: The axis of the vectors.

    Example:

    >>> from kerasmeta.ops.unit_vectors import unit_vectors
    >>> unit_vectors(tf.constant([[300.0, 400.0], [0.0, 0.0]], "float16"))
    <tf.Tensor: shape=(2, 2), dtype=float16, numpy=
    array([[0.6, 0.8],
           [0. , 0. ]], dtype=float16)>
    """
    is_half = x.dtype in ("float16", "bfloat16")
    full = tf.cast(x, "float32") if is_half else x
    squares = tf.reduce_sum(tf.square(full), axis, keepdims=True)
    has_direction = squares > _SHORTEST**2
    # A gradient of infinity would pass through the `where` after it as NaN.
    squares = tf.where(has_direction, squares, tf.ones_like(squares))
    units = full * tf.math.rsqrt(squares)
    units = tf.where(has_direction, units, tf.zeros_like(units))
    return tf.cast(units, x.dtype)
