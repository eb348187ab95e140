import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.neural_process import NeuralProcess
from kerasmeta.ops.gaussians import kl_of_normals
from kerasmeta.ops.gaussians import moments_of_mixture
from kerasmeta.ops.seeded_noise import seeded_normals

GENERATOR = np.random.default_rng(0)
X, Y = GENERATOR.normal(size=(2, 4, 1)).astype("float32")
QUERY_X, QUERY_Y = GENERATOR.normal(size=(2, 3, 1)).astype("float32")
EPISODES = {
    "support_x": tf.constant(X[None]),
    "support_y": tf.constant(Y[None]),
    "query_x": tf.constant(QUERY_X[None]),
}


def made(latent_size=1, **kwargs):
    # The same weights, whatever was made before.
    keras.utils.set_random_seed(2)
    learner = NeuralProcess(
        width=6, latent_size=latent_size, minimum_scale=0.3, **kwargs
    )
    # So that the posterior is not the prior.
    head = learner.latent_head
    head.set_weights([6 * w for w in head.get_weights()])
    learner.compile(loss=km.losses.GaussianNegativeLogLikelihood())
    return learner


# What follows is derived anew in float64.


def dense_network(network, x):
    weights = [w.astype("float64") for w in network.get_weights()]
    pairs = list(zip(weights[::2], weights[1::2]))
    for kernel, bias in pairs[:-1]:
        x = np.maximum(x @ kernel + bias, 0)
    return x @ pairs[-1][0] + pairs[-1][1]


def latent(learner, x, y):
    r = dense_network(learner.latent_encoder, np.concatenate([x, y], 1))
    mean, raw = np.split(dense_network(learner.latent_head, r.mean(0)), 2)
    return mean, 0.1 + 0.9 / (1 + np.exp(-raw))


def decoded(learner, z):
    """Return means and scales `[..., Q]` for latent vectors `[..., L]`."""
    shape = (*z.shape[:-1], len(QUERY_X))
    inputs = np.concatenate(
        [
            np.broadcast_to(QUERY_X, (*shape, 1)),
            np.broadcast_to(z[..., None, :], (*shape, z.shape[-1])),
        ],
        axis=-1,
    )
    outputs = dense_network(learner.decoder, inputs)
    return outputs[..., 0], 0.3 + np.log1p(np.exp(outputs[..., 1]))


def log_normal(y, mean, scale):
    return -0.5 * (np.log(2 * np.pi * scale**2) + ((y - mean) / scale) ** 2)


def log_likelihood(learner, z):
    """Of all queries together, given latent vectors."""
    return log_normal(QUERY_Y[:, 0], *decoded(learner, z)).sum(axis=-1)


def prior_and_posterior(learner):
    prior = latent(learner, X, Y)
    posterior = latent(
        learner, np.concatenate([X, QUERY_X]), np.concatenate([Y, QUERY_Y])
    )
    return prior, posterior


def test_prediction_is_the_mixture_of_draws():
    learner = made(latent_size=2, samples=3)
    noise = seeded_normals([1, 3, 2], [0, 0])[0].numpy()
    (mean, scale), _ = prior_and_posterior(learner)
    parts = [decoded(learner, mean + scale * n) for n in noise]
    means, scales = (np.array(part) for part in zip(*parts))
    variance = (scales**2 + means**2).mean(0) - means.mean(0) ** 2
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    received = learner.predict_query(state, tf.constant(QUERY_X))
    np.testing.assert_allclose(state["latent_mean"], mean, rtol=1e-4)
    np.testing.assert_allclose(state["latent_scale"], scale, rtol=1e-4)
    np.testing.assert_allclose(received[:, 0], means.mean(0), rtol=1e-4)
    np.testing.assert_allclose(received[:, 1], np.sqrt(variance), rtol=1e-4)


def test_loss_of_one_draw():
    learner = made(latent_size=2)
    seed = tf.identity(learner.noise_generator.state)
    loss, predictions = learner.meta_loss(EPISODES, tf.constant(QUERY_Y[None]))
    noise = seeded_normals([1, 2], seed)[0].numpy()
    (mean, scale), (post_mean, post_scale) = prior_and_posterior(learner)
    expected = -log_likelihood(learner, post_mean + post_scale * noise)
    expected += np.sum(
        np.log(scale / post_scale)
        + (post_scale**2 + (post_mean - mean) ** 2) / (2 * scale**2)
        - 0.5
    )
    np.testing.assert_allclose(loss, expected / 3, rtol=1e-4)
    # Metrics must not see the posterior.
    np.testing.assert_allclose(predictions, learner(EPISODES), rtol=1e-5)


def test_loss_is_the_evidence_bound_by_quadrature():
    learner = made(samples=1)
    prior, posterior = prior_and_posterior(learner)
    z = np.linspace(-12.0, 12.0, 20001)
    log_prior = log_normal(z, *prior)
    log_posterior = log_normal(z, *posterior)
    logs = log_likelihood(learner, z[:, None])
    weights = np.exp(log_posterior) * (z[1] - z[0])
    bound = np.sum(weights * (logs + log_prior - log_posterior))
    evidence = np.log(np.sum(np.exp(logs + log_prior)) * (z[1] - z[0]))
    assert bound < evidence - 0.1

    # Equal tasks, with a draw each, so that their mean has a known error.
    count = 10_000
    deviation = np.sqrt(np.sum(weights * logs**2) - np.sum(weights * logs) ** 2)
    many = {k: tf.repeat(t, count, axis=0) for k, t in EPISODES.items()}
    query_y = tf.repeat(QUERY_Y[None], count, axis=0)
    loss, _ = learner.meta_loss(many, query_y)
    again, _ = learner.meta_loss(many, query_y)
    error = 4 * deviation / count**0.5 / 3
    assert abs(loss + bound / 3) < error < 0.02
    assert loss != again


def test_evaluation_has_the_loss_of_predictions():
    learner = made()
    received, predictions = learner.meta_loss(
        EPISODES, tf.constant(QUERY_Y[None]), training=False
    )
    mean, scale = np.split(predictions[0].numpy(), 2, axis=-1)
    expected = -log_normal(QUERY_Y, mean, scale).mean()
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def test_samples_are_functions():
    learner = made(latent_size=2)
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    x = tf.constant(QUERY_X)
    functions = learner.sample(state, x, num_samples=2000, seed=3)
    again = learner.sample(state, x[1:2], num_samples=2000, seed=3)
    other = learner.sample(state, x, num_samples=2000, seed=4)
    # A function has the same value whatever else is asked.
    np.testing.assert_allclose(again[:, 0], functions[:, 1], rtol=1e-4)
    assert np.abs(other - functions).max() > 1e-2
    # Values of one function belong together.
    noise = GENERATOR.normal(size=(20000, 2))
    (mean, scale), _ = prior_and_posterior(learner)
    by_hand, _ = decoded(learner, mean + scale * noise)
    covariance = np.cov(by_hand.T)
    np.testing.assert_allclose(
        np.cov(functions[..., 0].numpy().T),
        covariance,
        atol=0.2 * covariance.max(),
    )


def test_likelihood_of_all_queries_of_some_draws():
    learner = made(latent_size=2)
    noise = seeded_normals([1, 3, 2], [7, 2])[0].numpy()
    (mean, scale), _ = prior_and_posterior(learner)
    logs = [log_likelihood(learner, mean + scale * n) for n in noise]
    expected = np.log(np.mean(np.exp(logs)))
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    for query_y in (QUERY_Y, QUERY_Y[:, 0]):
        received = learner.log_likelihood(state, QUERY_X, query_y, 3, seed=7)
        np.testing.assert_allclose(received, expected, rtol=1e-4)
    with pytest.raises(ValueError, match=r"shape \(2, 1\), 3 queries"):
        learner.log_likelihood(state, QUERY_X, QUERY_Y[:2])
    with pytest.raises(ValueError, match="Received: num_samples=0"):
        learner.log_likelihood(state, QUERY_X, QUERY_Y, 0)


def test_likelihood_of_all_queries_by_quadrature():
    learner = made()
    prior, _ = prior_and_posterior(learner)
    z = np.linspace(-12.0, 12.0, 20001)
    weights = np.exp(log_normal(z, *prior)) * (z[1] - z[0])
    densities = np.exp(log_likelihood(learner, z[:, None]))
    mean = np.sum(weights * densities)
    deviation = np.sqrt(np.sum(weights * densities**2) - mean**2)
    count = 100_000
    error = 4 * deviation / mean / count**0.5
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    received = learner.log_likelihood(state, QUERY_X, QUERY_Y, count)
    assert abs(received - np.log(mean)) < error < 0.02
    # It is not that of predictions, of each query by itself.
    predictions = learner.predict_query(state, tf.constant(QUERY_X))
    alone = km.ops.gaussian_log_likelihood(QUERY_Y, predictions)
    assert abs(tf.reduce_sum(alone) - np.log(mean)) > 5 * error


def test_the_state_is_the_same_in_whatever_order_the_points_come():
    learner, order = made(), [2, 0, 3, 1]
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    other = learner.adapt(tf.constant(X[order]), tf.constant(Y[order]))
    for name, value in state.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-5)


def test_gradients_are_exact():
    learner = made(latent_size=2)
    error = km.testing.verify_meta_gradient(
        learner, EPISODES, tf.constant(QUERY_Y[None]), directions=2
    )
    assert error < 1e-5


def test_divergence_and_moments_against_integrals():
    x = np.linspace(-20, 20, 40001)
    p, q = log_normal(x, 0.3, 0.7), log_normal(x, -0.4, 1.1)
    by_hand = np.sum(np.exp(p) * (p - q)) * 1e-3
    received = kl_of_normals(0.3, 0.7, -0.4, 1.1)
    np.testing.assert_allclose(received, by_hand, rtol=1e-5)
    density = 0.5 * (np.exp(p) + np.exp(q)) * 1e-3
    mean = np.sum(density * x)
    deviation = np.sqrt(np.sum(density * (x - mean) ** 2))
    moments = moments_of_mixture(
        tf.constant([0.3, -0.4]), tf.constant([0.7, 1.1]), axis=0
    )
    np.testing.assert_allclose(moments, [mean, deviation], rtol=1e-5)


@pytest.mark.parametrize("name", ["width", "latent_size", "samples"])
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"Received: {name}=0"):
        NeuralProcess(**{name: 0})
