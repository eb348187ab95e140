import keras
import numpy as np
import pytest
import scipy.optimize

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
SUPPORT, QUERY = GENERATOR.normal(size=(2, 9, 4))
LABELS = np.arange(9) % 3


def learner_of(**kwargs):
    inputs = keras.Input((4,))
    return km.learners.Baseline(keras.Model(inputs, inputs), **kwargs)


def logits_of(learner):
    return learner.predict_query(learner.adapt(SUPPORT, LABELS), QUERY)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.usefixtures("float64")
def test_is_gradient_descent_with_momentum():
    learner = learner_of(
        steps=7, learning_rate=0.2, momentum=0.8, weight_decay=0.05
    )
    x = np.concatenate([SUPPORT, np.ones((9, 1))], axis=1)
    weights, velocity = np.zeros((5, 3)), np.zeros((5, 3))
    for _ in range(7):
        gradient = x.T @ (softmax(x @ weights) - np.eye(3)[LABELS]) / 9
        velocity = 0.8 * velocity + gradient + 0.05 * weights
        weights -= 0.2 * velocity
    expected = QUERY @ weights[:4] + weights[4]
    np.testing.assert_allclose(
        logits_of(learner), expected, rtol=1e-9, atol=1e-9
    )


def test_many_steps_reach_the_minimum():
    """Of cross-entropy and weight decay, found by another optimizer."""
    x = np.concatenate([SUPPORT, np.ones((9, 1))], axis=1)

    def objective(flat):
        weights = flat.reshape(5, 3)
        likely = softmax(x @ weights)[np.arange(9), LABELS]
        return -np.log(likely).mean() + 0.1 / 2 * (weights**2).sum()

    best = scipy.optimize.minimize(objective, np.zeros(15), tol=1e-10)
    weights = best.x.reshape(5, 3)
    learner = learner_of(steps=500, learning_rate=0.2, weight_decay=0.1)
    np.testing.assert_allclose(
        logits_of(learner), QUERY @ weights[:4] + weights[4], atol=1e-3
    )


@pytest.mark.parametrize(
    "arguments", [{"steps": 0}, {"learning_rate": -1}, {"momentum": 1}]
)
def test_rejects_numbers(arguments):
    [(name, value)] = arguments.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        learner_of(**arguments)
