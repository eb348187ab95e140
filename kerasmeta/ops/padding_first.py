"""Sequences whose end is the end of what counts."""

import tensorflow as tf


def padding_first(tensors, mask):
    """Move the padding of sequences to their beginning.

    What counts keeps its order, so that what reads a sequence step by step has
    its last example at the last step, whatever the padding.

    Args:
        tensors: List of tensors `[T, S, ...]`.
        mask: `[T, S]`, true for the examples that count.

    Returns:
        The tensors and the mask, bool, in the new order.

    Example:

    >>> from kerasmeta.ops.padding_first import padding_first
    >>> x, mask = tf.constant([[1, 2, 3]]), [[True, False, True]]
    >>> [moved], mask = padding_first([x], mask)
    >>> moved.numpy().tolist(), mask.numpy().tolist()
    ([[2, 1, 3]], [[False, True, True]])
    """
    mask = tf.cast(mask, "bool")
    size = tf.shape(mask)[1]
    order = tf.argsort(tf.where(mask, size, 0) + tf.range(size), axis=1)
    moved = [tf.gather(t, order, axis=1, batch_dims=1) for t in tensors]
    return moved, tf.gather(mask, order, axis=1, batch_dims=1)
