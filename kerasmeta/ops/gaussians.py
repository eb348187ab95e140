"""Diagonal Gaussians: samples and divergences."""

import tensorflow as tf

from kerasmeta.ops.seeded_noise import seeded_normals


def sample_gaussian(mean, log_variance, seed):
    """Return a sample, through which gradients reach both parameters.

    `mean + exp(log_variance / 2) * noise`, with standard normal noise that is
    a function of the seed.

    Args:
        mean: `[...]`.
        log_variance: The same shape.
        seed: Two integers, or `None` for the mean itself.
    """
    if seed is None:
        return mean
    noise = seeded_normals(tf.shape(mean), seed)
    return mean + tf.exp(0.5 * log_variance) * tf.cast(noise, mean.dtype)


def kl_to_standard_normal(mean, log_variance):
    """Return the divergence of each number from the standard normal.

    `KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1 - log s^2) / 2`

    Args:
        mean: `[...]`.
        log_variance: The same shape.

    Example:

    >>> from kerasmeta.ops.gaussians import kl_to_standard_normal
    >>> kl_to_standard_normal(tf.constant([0.0, 2.0]), tf.zeros(2)).numpy()
    array([0., 2.], dtype=float32)
    """
    variance = tf.exp(log_variance)
    return 0.5 * (tf.square(mean) + variance - 1.0 - log_variance)


def kl_of_normals(mean, scale, other_mean, other_scale):
    """Return the divergence of each normal distribution from the other.

    `KL(N(m, s^2) || N(n, r^2)) = log(r/s) + (s^2 + (m - n)^2) / (2 r^2) - 1/2`

    Args:
        mean: `[...]`.
        scale: Standard deviations, the same shape.
        other_mean: The same shape.
        other_scale: The same shape.
    """
    ratio = tf.square(scale / other_scale)
    moved = tf.square((mean - other_mean) / other_scale)
    return 0.5 * (ratio + moved - 1.0 - tf.math.log(ratio))


def moments_of_mixture(mean, scale, axis):
    """Return mean and standard deviation of mixtures of equal shares.

    Args:
        mean: Means of the parts, stacked along an axis.
        scale: Their standard deviations.
        axis: The axis.
    """
    center = tf.reduce_mean(mean, axis, keepdims=True)
    variance = tf.reduce_mean(tf.square(scale) + tf.square(mean - center), axis)
    return tf.squeeze(center, axis), tf.sqrt(variance)
