"""The mean over those members of a set that count."""

import tensorflow as tf

from kerasmeta.ops.zero_padding import zero_padding


def masked_mean(members, mask):
    """Return the mean over the members that a mask keeps.

    It is zero, with finite gradients, where the mask keeps nothing.

    Args:
        members: `[T, S, D]`.
        mask: Bool `[T, S]`.

    Returns:
        `[T, D]`.
    """
    kept = zero_padding(members, mask)
    count = tf.reduce_sum(tf.cast(mask, members.dtype), axis=1)[:, None]
    return tf.reduce_sum(kept, axis=1) / tf.maximum(count, 1)
