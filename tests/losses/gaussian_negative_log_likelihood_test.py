import keras
import numpy as np

import kerasmeta as km

Y = np.array([[0.3], [-1.0], [2.0]], "float32")
PREDICTIONS = np.array([[0.0, 0.5], [-1.0, 2.0], [0.5, 1.5]], "float32")


def by_hand():
    deviations = (Y[:, 0] - PREDICTIONS[:, 0]) / PREDICTIONS[:, 1]
    return (
        np.log(PREDICTIONS[:, 1])
        + 0.5 * np.log(2 * np.pi)
        + 0.5 * deviations**2
    )


def test_it_is_the_mean_over_queries():
    loss = km.losses.GaussianNegativeLogLikelihood()
    np.testing.assert_allclose(loss(Y, PREDICTIONS), by_hand().mean(), 1e-6)
    weighted = loss(Y, PREDICTIONS, sample_weight=np.array([3.0, 0.0, 0.0]))
    np.testing.assert_allclose(weighted, by_hand()[0], 1e-6)


def test_metrics_agree_with_it():
    likelihood = km.metrics.GaussianLogLikelihood()
    error = km.metrics.GaussianMeanSquaredError()
    for rows in (slice(0, 1), slice(1, 3)):
        likelihood.update_state(Y[rows], PREDICTIONS[rows])
        error.update_state(Y[rows], PREDICTIONS[rows])
    np.testing.assert_allclose(likelihood.result(), -by_hand().mean(), 1e-6)
    errors = (Y - PREDICTIONS[:, :1]) ** 2
    np.testing.assert_allclose(error.result(), errors.mean(), 1e-6)


def test_they_are_saved_by_name():
    for one in (
        km.losses.GaussianNegativeLogLikelihood(),
        km.metrics.GaussianLogLikelihood(),
        km.metrics.GaussianMeanSquaredError(name="error"),
    ):
        config = keras.saving.serialize_keras_object(one)
        copy = keras.saving.deserialize_keras_object(config)
        assert type(copy) is type(one)
        assert copy.get_config() == one.get_config()
