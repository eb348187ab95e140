"""The fused pass against the definition, at second order too."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.ops import batch_statistics

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(2.0, 3.0, size=(5, 6, 4, 8))
GAMMA, BETA = GENERATOR.normal(size=(2, 8))
ALONG = [GENERATOR.normal(size=a.shape) for a in (X, GAMMA, BETA)]


def by_definition(x, gamma, beta):
    mean = tf.reduce_mean(x, [0, 1, 2])
    variance = tf.reduce_mean(tf.square(x - mean), [0, 1, 2])
    return (x - mean) / tf.sqrt(variance + 1e-3) * gamma + beta


def fused(x, gamma, beta):
    return km.ops.fused_batch_norm(x, gamma, beta, 1e-3)[0]


def derivatives(fn, dtype):
    """Return gradients, and gradients of them along a direction."""
    points = [tf.constant(a, dtype) for a in (X, GAMMA, BETA)]
    with tf.GradientTape() as outer:
        outer.watch(points)
        with tf.GradientTape() as inner:
            inner.watch(points)
            value = tf.reduce_sum(tf.sin(fn(*points)))
        first = inner.gradient(value, points)
        slope = sum(
            tf.reduce_sum(g * tf.constant(d, dtype))
            for g, d in zip(first, ALONG)
        )
    return first, outer.gradient(slope, points)


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_of_first_and_second_order(compiled):
    run = tf.function(derivatives) if compiled else derivatives
    expected = derivatives(by_definition, tf.float64)
    received = run(fused, tf.float32)
    for one, other in zip(tf.nest.flatten(received), tf.nest.flatten(expected)):
        error = np.linalg.norm(one - tf.cast(other, "float32"))
        assert error < 1e-5 * np.linalg.norm(other)


def test_statistics_are_those_of_the_batch():
    _, mean, variance = km.ops.fused_batch_norm(
        tf.constant(X, "float32"), None, None, 1e-3
    )
    np.testing.assert_allclose(mean, X.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, X.var((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("scale, center", [(True, True), (False, False)])
def test_layers_do_the_same_as_keras(scale, center):
    layer = keras.layers.BatchNormalization(
        scale=scale, center=center, momentum=0.9
    )
    twin = keras.layers.BatchNormalization(
        scale=scale, center=center, momentum=0.9
    )
    x = tf.constant(X, "float32")
    expected = twin(x, training=True)
    with batch_statistics(True):
        received = layer(x, training=False)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)
    for one, other in zip(layer.get_weights(), twin.get_weights()):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_frozen_layers_and_layers_over_another_axis_are_not_fused():
    x = tf.constant(X, "float32")
    frozen = keras.layers.BatchNormalization(trainable=False, epsilon=1e-9)
    with batch_statistics(True):
        np.testing.assert_allclose(frozen(x), x, rtol=1e-5)
        first = keras.layers.BatchNormalization(axis=1)(x)
    np.testing.assert_allclose(
        tf.reduce_mean(first, [0, 2, 3]), np.zeros(6), atol=1e-5
    )
