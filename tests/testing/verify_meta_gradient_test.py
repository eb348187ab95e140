import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners import gradient_learner
from kerasmeta.testing import layer_gradients


class StoppedNorm(layers.Layer):
    """Right at first order only, like `tf.nn.moments`."""

    def call(self, x):
        mean = tf.reduce_mean(x, 0, keepdims=True)
        spread = tf.square(x - tf.stop_gradient(mean))
        variance = tf.reduce_mean(spread, 0, keepdims=True)
        return (x - mean) / tf.sqrt(variance + 1e-3)


def verify(*middle, shape=(6, 6, 2), **kwargs):
    network = keras.Sequential(
        [keras.Input(shape), *middle, layers.Flatten(), layers.Dense(3)]
    )
    arguments = {"inner_learning_rate": 0.3, "inner_steps": 2, **kwargs}
    learner = km.learners.MAML(network, **arguments)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile(loss=loss)
    generator = np.random.default_rng(0)

    def draw():
        return generator.normal(size=(2, 6, *shape)).astype("float32")

    y = np.tile(np.array([0, 1, 2, 0, 1, 2], "int32"), (2, 1))
    episodes = {"support_x": draw(), "support_y": y, "query_x": draw()}
    weights = learner.get_weights()
    error = km.testing.verify_meta_gradient(learner, episodes, y)
    for one, other in zip(weights, learner.get_weights()):
        np.testing.assert_array_equal(one, other)
    return error


CONV = dict(
    batch_norm=lambda: [layers.BatchNormalization(), layers.ReLU()],
    layer_norm=lambda: [layers.LayerNormalization()],
    group_norm=lambda: [layers.GroupNormalization(2)],
    dropout=lambda: [layers.Dropout(0.3)],
    penalty=lambda: [layers.ActivityRegularization(l2=0.1)],
    pooling=lambda: [layers.MaxPooling2D()],
)


@pytest.mark.parametrize("name", CONV)
def test_layers_of_keras_are_exact(name):
    assert verify(layers.Conv2D(4, 3), *CONV[name]()) < 1e-6


@pytest.mark.parametrize("policy", ["inductive", "moving"])
def test_every_batch_norm_policy_is_exact(policy):
    middle = layers.Conv2D(4, 3), layers.BatchNormalization()
    assert verify(*middle, batch_norm=policy) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU])
def test_recurrent_networks_are_exact(layer):
    assert verify(layer(4), shape=(5, 2)) < 1e-6


def test_the_layer_that_breaks_it_is_named():
    with pytest.raises(AssertionError, match="of their own: culprit\\.$"):
        verify(
            layers.Conv2D(4, 3),
            StoppedNorm(name="culprit"),
            layers.ReLU(),
            layers.MaxPooling2D(),
        )


def test_keras_alone_is_inexact(monkeypatch):
    """What users of a plain GradientTape get, and what we are here for."""
    for module in (gradient_learner, layer_gradients):
        monkeypatch.setattr(module, "exact_gradients", contextlib.nullcontext)
    with pytest.raises(AssertionError, match="of their own: norm\\."):
        verify(layers.Conv2D(4, 3), layers.BatchNormalization(name="norm"))


def test_first_order_is_refused():
    with pytest.raises(ValueError, match="first_order=True"):
        verify(first_order=True)


def test_embedding_learners_too():
    learner = km.learners.ProtoNet(
        km.backbones.conv4((28, 28, 1), filters=2), ways=3
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile(loss=loss)
    spec = km.episodes.EpisodeSpec(ways=3, shots=2, queries=2)
    data = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    assert km.testing.verify_meta_gradient(learner, *next(iter(data))) < 1e-4
