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


def latent(learner):
    """Return mean and scale of the latent vector."""
    r = dense_network(learner.latent_encoder, np.concatenate([X, Y], 1))
    mean, raw = np.split(dense_network(learner.latent_head, r.mean(0)), 2)
    return mean, 0.1 + 0.9 / (1 + np.exp(-raw))


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


def decoded(learner, z):
    """Return means and scales, each `[n, Q]`, for latent vectors `[n, L]`."""
    seen = np.concatenate([QUERY_X, attended(learner)], axis=1)
    inputs = [np.tile(seen, (len(z), 1, 1)), np.repeat(z[:, None], 3, axis=1)]
    outputs = dense_network(learner.decoder, np.concatenate(inputs, axis=2))
    return outputs[..., 0], 0.1 + np.log1p(np.exp(outputs[..., 1]))


def varied(**kwargs):
    """Return a learner to which the latent vector matters."""
    learner = made(**kwargs)
    for network in (learner.latent_head, learner.decoder):
        network.set_weights([3 * w for w in network.get_weights()])
    return learner


def test_predictions_are_those_of_the_formula():
    learner = made()
    (mean, scale), noise = latent(learner), seeded_normals([1, 2], [0, 0])
    mean, scale = decoded(learner, mean + scale * noise.numpy())
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    received = learner.predict_query(state, tf.constant(QUERY_X))
    expected = np.stack([mean[0], scale[0]], axis=1)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


def test_samples_are_functions():
    learner = varied()
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    x = tf.constant(QUERY_X)
    functions = learner.sample(state, x, num_samples=5, seed=3)
    # Each is what the decoder makes of one draw, whatever is asked of it.
    (mean, scale), noise = latent(learner), seeded_normals([5, 2], [3, 1])
    expected, _ = decoded(learner, mean + scale * noise.numpy())
    assert expected.std(axis=0).min() > 0.05
    np.testing.assert_allclose(
        functions[..., 0], expected, rtol=1e-4, atol=1e-4
    )
    others = learner.sample(state, x[::-1][:2], num_samples=5, seed=3)
    np.testing.assert_allclose(
        others, functions[:, ::-1][:, :2], rtol=1e-4, atol=1e-5
    )
    # Another seed gives others, and none gives those of a prediction.
    for seed in (0, 4):
        other = learner.sample(state, x, num_samples=5, seed=seed)
        assert np.abs(other - functions).max() > 0.05
    noise = seeded_normals([5, 2], [0, 0]).numpy()
    predicted, _ = decoded(learner, mean + scale * noise)
    first = learner.sample(state, x, num_samples=5)[..., 0]
    assert np.abs(first - predicted).max() > 0.05


def test_samples_have_the_moments_of_predictions():
    count = 20_000
    learner = varied(samples=count)
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    x = tf.constant(QUERY_X)
    functions = learner.sample(state, x, num_samples=count)[..., 0].numpy()
    mean, scale = learner.predict_query(state, x).numpy().T
    latent_mean, latent_scale = latent(learner)
    noise = GENERATOR.normal(size=(count, 2))
    values, scales = decoded(learner, latent_mean + latent_scale * noise)
    deviation = values.std(axis=0)
    # Five errors of the difference of two such means.
    error = 5 * deviation * (2 / count) ** 0.5
    assert (np.abs(functions.mean(axis=0) - mean) < error).all()
    assert (np.abs(functions.mean(axis=0) - values.mean(axis=0)) < error).all()
    # A prediction has the noise of an observation as well.
    spread = functions.var(axis=0) + np.square(scales).mean(axis=0)
    np.testing.assert_allclose(np.sqrt(spread), scale, rtol=0.03)
    assert (functions.std(axis=0) < 0.97 * scale).all()
    # Values of one function belong together.
    np.testing.assert_allclose(
        np.corrcoef(functions.T), np.corrcoef(values.T), atol=0.03
    )


def test_samples_of_several_targets():
    learner = AttentiveNeuralProcess(2, 3, width=6, latent_size=2, heads=2)
    state = learner.adapt(tf.ones([4, 2]), tf.ones([4, 3]))
    functions = learner.sample(state, tf.ones([7, 2]), num_samples=5)
    assert functions.shape == (5, 7, 3)
    with pytest.raises(ValueError, match="Received: num_samples=0"):
        learner.sample(state, tf.ones([7, 2]), num_samples=0)


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
