"""The mean over those members of a set that count."""

import tensorflow as tf


def masked_mean(members, mask):
    """Return the mean over the members that a mask keeps.

    It is zero, with finite gradients, where the mask keeps nothing.

    Args:
        members: `[T, S, D]`.
        mask: Bool `[T, S]`.

    Returns:
        `[T, D]`.
    """
    # Chosen and not multiplied: padding may hold anything.
    kept = tf.where(mask[..., None], members, tf.zeros_like(members))
    count = tf.reduce_sum(tf.cast(mask, members.dtype), axis=1)[:, None]
    return tf.reduce_sum(kept, axis=1) / tf.maximum(count, 1)
