"""What actions were worth."""

import tensorflow as tf


def discounted_sums(values, discount, is_past=False):
    """Return the sum of what follows each step, discounted by distance.

    `sums_t = sum_{s >= t} discount^(s - t) values_s`, or over `s <= t`

    Args:
        values: `[H, ...]`.
        discount: Number in 0..1.
        is_past: Whether to sum what precedes instead.

    Returns:
        `[H, ...]`.

    Example:

    >>> from kerasmeta.rl.advantages import discounted_sums
    >>> discounted_sums(tf.constant([1.0, 2.0, 4.0]), 0.5).numpy()
    array([3., 4., 4.], dtype=float32)
    """
    steps = tf.range(tf.shape(values)[0])
    distance = steps[None] - steps[:, None]
    distance = -distance if is_past else distance
    # Zero to the power of zero is one here: without discount, only itself.
    powers = tf.pow(
        tf.constant(discount, values.dtype),
        tf.cast(tf.maximum(distance, 0), values.dtype),
    )
    factors = tf.where(distance >= 0, powers, tf.zeros_like(powers))
    return tf.tensordot(factors, values, axes=1)


def generalized_advantages(rewards, values, discount, trace):
    """Return generalized advantage estimates.

    `A_t = sum_{s >= t} (discount trace)^(s - t)
    (r_s + discount V_{s+1} - V_s)`, where the value after the end is zero.

    Reference: Schulman, Moritz, Levine, Jordan and Abbeel, 2016,
    "High-Dimensional Continuous Control Using Generalized Advantage
    Estimation", arXiv:1506.02438.

    Args:
        rewards: `[H, ...]`.
        values: What was expected before each step, `[H, ...]`.
        discount: Number in 0..1.
        trace: Number in 0..1: 1 trusts the rewards, 0 the values.

    Returns:
        `[H, ...]`.
    """
    following = tf.concat([values[1:], tf.zeros_like(values[:1])], axis=0)
    surprises = rewards + discount * following - values
    return discounted_sums(surprises, discount * trace)


def standardize(values, mask, axis=None):
    """Return values of mean 0 and deviation 1, and zeros outside the mask.

    Args:
        values: Tensor.
        mask: float32 of the same shape, 1 for the values that count.
        axis: The axes to average over; all by default.
    """
    count = tf.reduce_sum(mask, axis, keepdims=True)
    mean = tf.reduce_sum(values * mask, axis, keepdims=True) / count
    centred = (values - mean) * mask
    variance = tf.reduce_sum(centred**2, axis, keepdims=True) / count
    return centred * tf.math.rsqrt(variance + 1e-8)
