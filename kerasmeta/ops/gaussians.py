"""Diagonal Gaussians: samples and the divergence from the standard one."""

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
