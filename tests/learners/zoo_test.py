"""MAML over unmodified Keras models of all kinds, each one exact."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
CLASSES = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def normal(*shape):
    return GENERATOR.normal(size=(2, 6, *shape)).astype("float32")


def tokens():
    return GENERATOR.integers(0, 9, size=(2, 6, 5)).astype("int32")


def sequential(*middle, shape=(6, 6, 2)):
    return keras.Sequential(
        [keras.Input(shape), *middle, layers.Flatten(), layers.Dense(3)]
    )


def convolutions():
    return sequential(
        layers.Conv2D(4, 3, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.SeparableConv2D(4, 2),
        layers.GroupNormalization(2),
        layers.AveragePooling2D(2),
    )


def several_inputs_and_outputs():
    a, b = keras.Input((3,), name="a"), keras.Input((4,), name="b")
    hidden = layers.Dense(5, "tanh")(layers.Concatenate()([a, b]))
    outputs = {
        "one": layers.Dense(1, name="one")(hidden),
        "two": layers.Dense(2, name="two")(hidden),
    }
    return keras.Model({"a": a, "b": b}, outputs)


@keras.saving.register_keras_serializable(package="zoo")
class SubClassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.norm = layers.Dense(6), layers.LayerNormalization()
        self.head = layers.Dense(3)

    def call(self, x):
        return self.head(tf.nn.gelu(self.norm(self.hidden(x))))


def sub_classed():
    network = SubClassed()
    network(tf.zeros([1, 4]))
    return network


def nested():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, "tanh")])
    outer = keras.Input((4,))
    return keras.Model(outer, layers.Dense(3)(inner(outer) + outer))


def shared_layers():
    x = keras.Input((4,))
    layer = layers.Dense(4, "tanh")
    return keras.Model(x, layers.Dense(3)(layer(layer(x))))


def attention():
    x = keras.Input((5, 4))
    normed = layers.LayerNormalization()(x)
    hidden = x + layers.MultiHeadAttention(2, 3)(normed, normed)
    pooled = layers.GlobalAveragePooling1D()(hidden)
    return keras.Model(x, layers.Dense(3)(pooled))


def embedding():
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(9, 4),
            layers.GlobalAveragePooling1D(),
            layers.Dense(3),
        ]
    )


def frozen():
    network = sequential(
        layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Dense(4)
    )
    network.layers[0].trainable = False
    network.layers[1].trainable = False
    return network


def application():
    """Depthwise convolutions, LayerNormalization, GELU and scaled layers.

    Unlike a network of many untrained layers that normalizes by six examples,
    it is smooth enough for finite differences of the usual step.
    """
    return keras.applications.ConvNeXtTiny(
        input_shape=(32, 32, 3),
        weights=None,
        classes=3,
        classifier_activation=None,
    )


def application_with_batch_norm():
    """Depthwise convolutions with BatchNormalization after each, 27 of them."""
    return keras.applications.MobileNet(
        input_shape=(32, 32, 3),
        alpha=0.25,
        weights=None,
        classes=3,
        classifier_activation=None,
    )


# Name -> (network, shape of its examples or a function that draws them).
ZOO = {
    "Sequential": (lambda: sequential(layers.Dense(4, "tanh")), (6, 6, 2)),
    "convolutions": (convolutions, (6, 6, 2)),
    "sub-classed": (sub_classed, (4,)),
    "nested": (nested, (4,)),
    "shared layers": (shared_layers, (4,)),
    "attention": (attention, (5, 4)),
    "dropout": (lambda: sequential(layers.Dropout(0.4)), (6, 6, 2)),
    "frozen layers": (frozen, (6, 6, 2)),
    "embedding": (embedding, tokens),
}
SLOW = {
    "LSTM": (lambda: sequential(layers.LSTM(4), shape=(4, 3)), (4, 3)),
    "GRU": (lambda: sequential(layers.GRU(4), shape=(4, 3)), (4, 3)),
    "Bidirectional": (
        lambda: sequential(layers.Bidirectional(layers.LSTM(3)), shape=(4, 3)),
        (4, 3),
    ),
}


def learner_of(network, loss=CLASSES, **kwargs):
    learner = km.learners.MAML(
        network, inner_learning_rate=0.1, inner_steps=2, **kwargs
    )
    learner.compile(keras.optimizers.SGD(0.01), loss)
    return learner


def classes_of(examples):
    draw = examples if callable(examples) else lambda: normal(*examples)
    y = np.tile(np.array([0, 1, 2, 0, 1, 2], "int32"), (2, 1))
    x = {"support_x": draw(), "support_y": y, "query_x": draw()}
    return tf.nest.map_structure(tf.constant, x), tf.constant(y)


def learns_and_is_exact(build, examples):
    data = classes_of(examples)
    learner = learner_of(build())
    assert km.testing.verify_meta_gradient(learner, *data) < 1e-5
    batch = tf.data.Dataset.from_tensors(data).repeat(2)
    losses = learner.fit(batch, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    support = data[0]["support_x"][0], data[0]["support_y"][0]
    model = learner.adapted_model(*support)
    assert model(data[0]["query_x"][0]).shape == (6, 3)


@pytest.mark.parametrize("name", ZOO)
def test_zoo(name):
    learns_and_is_exact(*ZOO[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_slow_zoo(name):
    learns_and_is_exact(*SLOW[name])


@pytest.mark.slow
def test_an_application_of_keras():
    x, y = classes_of((32, 32, 3))
    learner = learner_of(application())
    error = km.testing.verify_meta_gradient(learner, x, y, directions=1)
    assert error < 1e-5
    batch = tf.data.Dataset.from_tensors((x, y)).repeat(5)
    learner.compile(keras.optimizers.Adam(1e-4), CLASSES)
    losses = learner.fit(batch, epochs=2, verbose=0).history["loss"]
    assert losses[1] < losses[0]


@pytest.mark.slow
def test_an_application_with_batch_norm(monkeypatch):
    """Its curvature is so large that differences must be taken nearby."""
    module = importlib.import_module("kerasmeta.testing.verify_meta_gradient")
    monkeypatch.setattr(module, "_STEP", 1e-9)
    x, y = classes_of((32, 32, 3))
    network = application_with_batch_norm()
    gradients = []
    for first_order in (True, False):
        learner = km.learners.MAML(network, 1e-3, first_order=first_order)
        learner.compile(keras.optimizers.SGD(0.01), CLASSES)
        gradients.append(learner.meta_gradients(x, y)[2])
    first, exact = (
        np.concatenate([np.ravel(g) for g in one]) for one in gradients
    )
    # What is of second order is no small part of it.
    assert np.linalg.norm(exact - first) > 0.1 * np.linalg.norm(exact)
    error = km.testing.verify_meta_gradient(learner, x, y, directions=1)
    assert error < 1e-5


def test_several_inputs_and_outputs():
    x = {"a": tf.constant(normal(3)), "b": tf.constant(normal(4))}
    y = {"one": tf.constant(normal(1)), "two": tf.constant(normal(2))}
    data = {"support_x": x, "support_y": y, "query_x": x}
    learner = learner_of(
        several_inputs_and_outputs(), {"one": "mse", "two": "mae"}
    )
    assert km.testing.verify_meta_gradient(learner, data, y) < 1e-5


def test_mixed_precision():
    """Half precision cannot be verified; it stays near full precision."""
    policy = keras.config.dtype_policy()
    data = classes_of((6, 6, 2))
    gradients = []
    for name in ("float32", "mixed_bfloat16"):
        keras.config.set_dtype_policy(name)
        try:
            keras.utils.set_random_seed(0)
            learner = learner_of(convolutions())
            gradients.append(learner.meta_gradients(*data)[2])
        finally:
            keras.config.set_dtype_policy(policy)
    full, half = (
        np.concatenate([np.ravel(g) for g in one]) for one in gradients
    )
    norms = np.linalg.norm(full), np.linalg.norm(half)
    assert full @ half > 0.9 * np.prod(norms)
    assert norms[1] == pytest.approx(norms[0], rel=0.1)
