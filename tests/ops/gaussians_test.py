import numpy as np
import tensorflow as tf

from kerasmeta.ops.gaussians import kl_to_standard_normal
from kerasmeta.ops.gaussians import sample_gaussian

GENERATOR = np.random.default_rng(0)
MEAN = GENERATOR.normal(size=(3, 4))
LOG_VARIANCE = GENERATOR.normal(size=(3, 4))


def log_density(x, mean, variance):
    square = (x - mean) ** 2 / variance
    return -0.5 * (square + np.log(2 * np.pi * variance))


def test_the_divergence_is_its_integral():
    divergence = kl_to_standard_normal(MEAN, LOG_VARIANCE).numpy()
    grid = np.linspace(-25, 25, 200_001)
    for index in np.ndindex(*MEAN.shape):
        log_p = log_density(grid, MEAN[index], np.exp(LOG_VARIANCE[index]))
        integrand = np.exp(log_p) * (log_p - log_density(grid, 0.0, 1.0))
        expected = integrand.sum() * (grid[1] - grid[0])
        np.testing.assert_allclose(divergence[index], expected, rtol=1e-6)


def test_no_divergence_from_itself():
    divergence = kl_to_standard_normal(tf.zeros([2]), tf.zeros([2]))
    np.testing.assert_array_equal(divergence, 0)


def test_samples_have_the_mean_and_the_variance():
    mean, log_variance = tf.fill([50_000], 3.0), tf.fill([50_000], -1.0)
    samples = sample_gaussian(mean, log_variance, tf.constant([1, 2]))
    np.testing.assert_allclose(tf.reduce_mean(samples), 3.0, atol=0.02)
    np.testing.assert_allclose(
        tf.math.reduce_variance(samples), np.exp(-1), rtol=0.03
    )


def test_a_sample_follows_its_seed():
    def draw(seed):
        return sample_gaussian(MEAN, LOG_VARIANCE, tf.constant(seed)).numpy()

    np.testing.assert_array_equal(draw([1, 2]), draw([1, 2]))
    assert np.abs(draw([1, 2]) - draw([1, 3])).min() > 0
    assert sample_gaussian(MEAN, LOG_VARIANCE, None) is MEAN


def test_gradients_reach_both_parameters():
    """`d sample / d mean = 1`, `d sample / d log_variance = noise s / 2`."""
    mean, log_variance = tf.constant(MEAN), tf.constant(LOG_VARIANCE)
    with tf.GradientTape() as tape:
        tape.watch([mean, log_variance])
        sample = sample_gaussian(mean, log_variance, tf.constant([1, 2]))
    of_mean, of_log_variance = tape.gradient(sample, [mean, log_variance])
    np.testing.assert_array_equal(of_mean, 1)
    np.testing.assert_allclose(of_log_variance, 0.5 * (sample - mean))
