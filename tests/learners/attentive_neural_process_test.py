import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.attentive_neural_process import AttentiveNeuralProcess
from kerasmeta.ops.seeded_noise import seeded_normals

GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.normal(size=(2, 5, 1)).astype("float32")
QUERY_X, QUERY_Y = GENERATOR.normal(size=(2, 3, 1)).astype("float32")


def made(**kwargs):
    return AttentiveNeuralProcess(
        width=6,
        latent_size=2,
        heads=2,
        minimum_scale=0.1,
        **{"samples": 1, **kwargs},
    )


def dense_network(network, x):
    """Run a fully connected ReLU network in float64."""
    weights = [w.astype("float64") for w in network.get_weights()]
    pairs = list(zip(weights[::2], weights[1::2]))
    for kernel, bias in pairs[:-1]:
        x = np.maximum(x @ kernel + bias, 0)
    return x @ pairs[-1][0] + pairs[-1][1]


def attended(learner):
    """Attention of queries to the points, head by head."""
    queries = dense_network(learner.key_encoder, QUERY_X)
    keys = dense_network(learner.key_encoder, X)
    values = dense_network(
        learner.point_encoder, np.concatenate([X, Y], axis=1)
    )
    wq, wk, wv, wo = (w.numpy() for w in learner.attention.weights)
    total = 0
    for head in range(2):
        scores = queries @ wq[:, head] @ (keys @ wk[:, head]).T / 3**0.5
        shares = np.exp(scores)
        shares /= shares.sum(axis=1, keepdims=True)
        total += shares @ (values @ wv[:, head]) @ wo[head]
    return total


def test_predictions_are_those_of_the_formula():
    learner = made()
    r = dense_network(learner.latent_encoder, np.concatenate([X, Y], 1))
    mean, raw = np.split(dense_network(learner.latent_head, r.mean(0)), 2)
    noise = seeded_normals([1, 1, 2], [0, 0])[0].numpy()
    z = mean + (0.1 + 0.9 / (1 + np.exp(-raw))) * noise
    inputs = [QUERY_X, attended(learner), np.tile(z, (3, 1))]
    mean, raw = dense_network(learner.decoder, np.concatenate(inputs, 1)).T
    expected = np.stack([mean, 0.1 + np.log1p(np.exp(raw))], axis=1)
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    received = learner.predict_query(state, tf.constant(QUERY_X))
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


def test_the_posterior_does_not_reach_the_attention():
    """What queries are must not be seen, but for the latent vector."""
    learner = made()
    learner.compile(loss=km.losses.GaussianNegativeLogLikelihood())
    seen = []
    decode_latents = learner.decode_latents

    def spied(state, latents, query_x):
        seen.append(state["values"].shape[1])
        return decode_latents(state, latents, query_x)

    learner.decode_latents = spied
    x = {"support_x": X[None], "support_y": Y[None], "query_x": QUERY_X[None]}
    x, query_y = tf.nest.map_structure(tf.constant, (x, QUERY_Y[None]))
    learner.meta_loss(x, query_y)
    assert seen == [5, 5]


def test_bad_heads():
    with pytest.raises(ValueError, match="Received: heads=0"):
        AttentiveNeuralProcess(heads=0)
    with pytest.raises(ValueError, match="heads=3 for size 8"):
        AttentiveNeuralProcess(width=8, heads=3)
