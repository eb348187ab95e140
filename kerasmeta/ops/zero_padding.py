"""Padding that cannot matter, whatever it holds."""

import tensorflow as tf


def zero_padding(nest, mask):
    """Return tensors with zeros, or empty strings, in place of padding.

    Chosen and not multiplied: zero times what padding holds may be NaN.

    Args:
        nest: Tensors `[..., S, ...]`, or one, whose first axes are those of
            the mask.
        mask: `[..., S]`, true for the examples that count, or `None` if all
            do.

    Example:

    >>> from kerasmeta.ops.zero_padding import zero_padding
    >>> x = tf.constant([[1.0, 2.0], [float("nan"), 3.0]])
    >>> zero_padding(x, [True, False]).numpy().tolist()
    [[1.0, 2.0], [0.0, 0.0]]
    """
    if mask is None:
        return nest
    mask = tf.cast(mask, "bool")

    def zeroed(tensor):
        others = tf.ones([tf.rank(tensor) - tf.rank(mask)], "int32")
        is_real = tf.reshape(mask, tf.concat([tf.shape(mask), others], axis=0))
        return tf.ensure_shape(
            tf.where(is_real, tensor, tf.zeros_like(tensor)), tensor.shape
        )

    return tf.nest.map_structure(zeroed, nest)
