import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.learners.conditional_neural_process import (
    ConditionalNeuralProcess,
)

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(5, 2)).astype("float32")
Y = GENERATOR.normal(size=(5, 1)).astype("float32")
QUERIES = GENERATOR.normal(size=(3, 2)).astype("float32")


def dense_network(network, x):
    """Run a fully connected ReLU network in float64."""
    weights = [w.astype("float64") for w in network.get_weights()]
    pairs = list(zip(weights[::2], weights[1::2]))
    for kernel, bias in pairs[:-1]:
        x = np.maximum(x @ kernel + bias, 0)
    return x @ pairs[-1][0] + pairs[-1][1]


def made():
    return ConditionalNeuralProcess(input_size=2, width=6, minimum_scale=0.1)


def test_predictions_are_those_of_the_formula():
    learner = made()
    r = dense_network(learner.encoder, np.concatenate([X, Y], 1)).mean(axis=0)
    inputs = np.concatenate([QUERIES, np.tile(r, (3, 1))], axis=1)
    mean, raw = dense_network(learner.decoder, inputs).T
    expected = np.stack([mean, 0.1 + np.log1p(np.exp(raw))], axis=1)
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    received = learner.predict_query(state, tf.constant(QUERIES))
    np.testing.assert_allclose(state["representation"], r, rtol=1e-5)
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-6)


def test_networks_are_as_deep_as_those_of_the_authors():
    learner = ConditionalNeuralProcess()
    assert [w.shape for w in learner.encoder.weights[::2]] == [
        (2, 128), (128, 128), (128, 128), (128, 128),
    ]  # fmt: skip
    assert [w.shape for w in learner.decoder.weights[::2]] == [
        (129, 128), (128, 128), (128, 2),
    ]  # fmt: skip


def test_the_state_is_the_same_in_whatever_order_the_points_come():
    learner, order = made(), np.array([3, 0, 4, 1, 2])
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    other = learner.adapt(tf.constant(X[order]), tf.constant(Y[order]))
    np.testing.assert_allclose(
        other["representation"], state["representation"], rtol=1e-5
    )


def test_bad_width():
    with pytest.raises(ValueError, match="Received: width=0"):
        ConditionalNeuralProcess(width=0)
