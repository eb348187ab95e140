import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops import gaussian_log_likelihood
from kerasmeta.ops import masked_mean
from kerasmeta.ops import split_gaussian


def log_density(y, mean, scale):
    """Of the formula, in float64."""
    variance = scale.astype("float64") ** 2
    return -0.5 * (np.log(2 * np.pi * variance) + (y - mean) ** 2 / variance)


def test_log_likelihood_is_that_of_independent_normals():
    generator = np.random.default_rng(0)
    y, mean = generator.normal(size=(2, 3, 4, 2)).astype("float32")
    scale = generator.uniform(0.1, 2.0, (3, 4, 2)).astype("float32")
    received = gaussian_log_likelihood(y, np.concatenate([mean, scale], -1))
    expected = log_density(y, mean, scale).sum(axis=-1)
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def test_targets_may_lack_their_last_axis():
    predictions = np.array([[0.5, 0.2], [1.0, 0.3]])
    with_axis = gaussian_log_likelihood(np.array([[1.0], [2.0]]), predictions)
    without = gaussian_log_likelihood(np.array([1.0, 2.0]), predictions)
    np.testing.assert_array_equal(with_axis, without)


def test_split():
    mean, scale = split_gaussian(np.arange(8.0).reshape(2, 4))
    np.testing.assert_array_equal(mean, [[0, 1], [4, 5]])
    np.testing.assert_array_equal(scale, [[2, 3], [6, 7]])


@pytest.mark.parametrize("padding", [7.0, np.nan, np.inf])
def test_masked_mean_leaves_padding_out(padding):
    members = tf.constant([[[1.0], [3.0], [padding]], [[4.0]] * 3])
    mask = tf.constant([[True, True, False], [False] * 3])
    with tf.GradientTape() as tape:
        tape.watch(members)
        mean = masked_mean(members, mask)
        total = tf.reduce_sum(mean)
    np.testing.assert_array_equal(mean, [[2.0], [0.0]])
    np.testing.assert_array_equal(
        tape.gradient(total, members)[..., 0], [[0.5, 0.5, 0], [0, 0, 0]]
    )
