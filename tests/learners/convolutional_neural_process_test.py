import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.convolutional_neural_process import (
    ConvolutionalNeuralProcess,
)

GENERATOR = np.random.default_rng(0)
X = GENERATOR.uniform(-2, 2, size=(5, 1)).astype("float32")
Y = GENERATOR.normal(size=(5, 2)).astype("float32")
QUERY_X = GENERATOR.uniform(-2, 2, size=(4, 1)).astype("float32")


def made(**kwargs):
    arguments = {"points_per_unit": 4, "width": 4, "levels": 2, **kwargs}
    return ConvolutionalNeuralProcess(
        target_size=2, minimum_scale=0.1, **arguments
    )


def solved(learner, x, y, query_x):
    state = learner.adapt(tf.constant(x), tf.constant(y))
    return learner.predict_query(state, tf.constant(query_x)).numpy()


def test_predictions_are_those_of_the_formula():
    learner = made()
    learner.support_scale.assign(np.log(0.4))
    learner.query_scale.assign(np.log(0.3))
    # 33 points within the reach of 4, made 36, which 4 divides.
    middle = (X.min() + X.max()) / 2
    grid = middle + (np.arange(36) - 17.5) / 4
    channels = np.zeros((36, 3))
    for t, row in zip(grid, channels):
        weights = np.exp(-((t - X[:, 0]) ** 2) / (2 * 0.4**2))
        density = weights.sum()
        row[0] = density / (1 + density)
        row[1:] = (weights[:, None] * Y).sum(axis=0) / (density + 1e-8)
    functions = learner.network(channels[None].astype("float32"))[0].numpy()
    expected = []
    for query in QUERY_X[:, 0]:
        weights = np.exp(-((query - grid) ** 2) / (2 * 0.3**2))
        raw = (weights[:, None] * functions).sum(axis=0)
        expected.append([*raw[:2], *(0.1 + np.log1p(np.exp(raw[2:])))])
    received = solved(learner, X, Y, QUERY_X)
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shift", [0.25, 0.377, -31.41])
def test_moving_points_and_queries_moves_predictions(shift):
    learner = made()
    moved = solved(learner, X + shift, Y, QUERY_X + shift)
    np.testing.assert_allclose(
        moved, solved(learner, X, Y, QUERY_X), rtol=1e-3, atol=1e-4
    )


def test_far_away_it_predicts_zero():
    learner = made()
    received = solved(learner, X, Y, np.array([[30.0], [-30.0]], "float32"))
    np.testing.assert_allclose(received[:, :2], 0, atol=1e-6)
    np.testing.assert_allclose(received[:, 2:], 0.1 + np.log(2), rtol=1e-5)


def test_density_tells_a_zero_from_nothing():
    learner = made()
    zero = solved(learner, X[:1], 0 * Y[:1], X[:1])
    nothing = solved(learner, X[1:2], 0 * Y[:1], X[:1])
    assert np.abs(zero - nothing).max() > 1e-4


def test_the_state_is_the_same_in_whatever_order_the_points_come():
    learner, order = made(), np.array([3, 0, 4, 1, 2])
    state = learner.adapt(tf.constant(X), tf.constant(Y))
    other = learner.adapt(tf.constant(X[order]), tf.constant(Y[order]))
    for name, value in state.items():
        np.testing.assert_allclose(other[name], value, rtol=1e-4, atol=1e-5)


def test_many_more_points_than_in_training():
    learner = ConvolutionalNeuralProcess(points_per_unit=8, width=16, levels=2)
    learner.compile(
        keras.optimizers.Adam(3e-3, global_clipnorm=10.0),
        km.losses.GaussianNegativeLogLikelihood(),
        metrics=[km.metrics.GaussianLogLikelihood()],
    )
    curves = km.tasks.GaussianProcessCurves("rbf")
    learner.fit(curves.episodes(16), steps_per_epoch=100, verbose=0)

    def repeated(x, query_y):
        support = {
            name: tf.concat([value] * 10, axis=1)
            for name, value in x.items()
            if name.startswith("support")
        }
        return {**x, **support}, query_y

    test = curves.episodes(20, seed=1, num_episodes=100)
    once, often = (
        learner.evaluate(data, return_dict=True, verbose=0)["log_likelihood"]
        for data in (test, test.map(repeated))
    )
    assert once > -1
    assert often > once - 10


@pytest.mark.parametrize(
    "arguments",
    [
        {"input_size": 2},
        {"reach": 0},
        {"points_per_unit": -1},
        {"width": 0},
        {"levels": 0},
    ],
)
def test_bad_arguments(arguments):
    [(name, value)] = arguments.items()
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        ConvolutionalNeuralProcess(**arguments)
