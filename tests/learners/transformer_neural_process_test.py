import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.learners.transformer_neural_process import (
    TransformerNeuralProcess,
)

GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.normal(size=(2, 5, 1)).astype("float32")
QUERY_X = GENERATOR.normal(size=(3, 1)).astype("float32")


def dense_network(weights, x):
    """Run a fully connected ReLU network in float64."""
    pairs = list(zip(weights[::2], weights[1::2]))
    for kernel, bias in pairs[:-1]:
        x = np.maximum(x @ kernel + bias, 0)
    return x @ pairs[-1][0] + pairs[-1][1]


def as_float64(layer):
    return [w.astype("float64") for w in layer.get_weights()]


def normalize(x, weights):
    scale, shift = weights
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * scale + shift


def attention(weights, tokens, allowed):
    """All tokens look at all that they are allowed to."""
    wq, bq, wk, bk, wv, bv, wo, bo = weights
    total = bo
    for head in range(wq.shape[1]):
        q, k, v = (
            tokens @ w[:, head] + b[head]
            for w, b in ((wq, bq), (wk, bk), (wv, bv))
        )
        scores = np.where(allowed, q @ k.T / np.sqrt(q.shape[1]), -np.inf)
        shares = np.exp(scores)
        shares /= shares.sum(axis=1, keepdims=True)
        total = total + shares @ v @ wo[head]
    return total


def masked_transformer(learner):
    """The paper's form: one sequence of points and queries, and a mask."""
    pairs = np.concatenate(
        [np.concatenate([X, Y], 1), np.concatenate([QUERY_X, 0 * QUERY_X], 1)]
    )
    tokens = dense_network(as_float64(learner.embedder), pairs)
    allowed = np.arange(len(pairs)) < len(X)
    for block in learner.blocks:
        seen = attention(as_float64(block.attention), tokens, allowed)
        first, second = map(as_float64, block.norms)
        tokens = normalize(tokens + seen, first)
        hidden = as_float64(block.hidden) + as_float64(block.mix)
        tokens = normalize(tokens + dense_network(hidden, tokens), second)
    mean, raw = dense_network(as_float64(learner.predictor), tokens).T
    predictions = np.stack([mean, 0.1 + np.log1p(np.exp(raw))], axis=1)
    return predictions[len(X) :]


def test_predictions_are_those_of_a_masked_transformer():
    learner = TransformerNeuralProcess(
        width=6, blocks=2, heads=2, minimum_scale=0.1
    )
    for weight in learner.weights:
        # Biases and norms that do something.
        weight.assign_add(0.1 * GENERATOR.normal(size=weight.shape))
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    received = learner.predict_query(state, tf.constant(QUERY_X))
    expected = masked_transformer(learner)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)


def test_tokens_of_the_state_come_in_the_order_of_points():
    learner = TransformerNeuralProcess(width=6, blocks=2, heads=2)
    order = np.array([3, 0, 4, 1, 2])
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    other = learner.adapt(tf.constant(X[order]), tf.constant(Y[order]))
    assert state["tokens"].shape == (2, 5, 6)
    np.testing.assert_allclose(
        other["tokens"],
        state["tokens"].numpy()[:, order],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", ["width", "blocks", "heads"])
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"Received: {name}=0"):
        TransformerNeuralProcess(**{name: 0})
