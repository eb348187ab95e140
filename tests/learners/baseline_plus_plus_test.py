import keras
import numpy as np
import pytest

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
SUPPORT, QUERY = GENERATOR.normal(size=(2, 9, 4))
LABELS = np.arange(9) % 3


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def loss(weights, scale):
    logits = scale * unit(SUPPORT) @ unit(weights).T
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -logits[np.arange(9), LABELS].mean()


def finite_differences(weights, scale, step=1e-6):
    gradient = np.zeros_like(weights)
    for i in np.ndindex(weights.shape):
        moved = np.zeros_like(weights)
        moved[i] = step
        change = loss(weights + moved, scale) - loss(weights - moved, scale)
        gradient[i] = change / (2 * step)
    return gradient


@pytest.mark.usefixtures("float64")
def test_is_gradient_descent_on_cosines():
    inputs = keras.Input((4,))
    learner = km.learners.BaselinePlusPlus(
        keras.Model(inputs, inputs),
        steps=6,
        learning_rate=0.3,
        momentum=0.7,
        weight_decay=0.02,
        scale=5.0,
    )
    weights = np.stack([unit(SUPPORT)[LABELS == n].mean(0) for n in range(3)])
    velocity = np.zeros_like(weights)
    for _ in range(6):
        gradient = finite_differences(weights, 5.0)
        velocity = 0.7 * velocity + gradient + 0.02 * weights
        weights = weights - 0.3 * velocity
    logits = learner.predict_query(learner.adapt(SUPPORT, LABELS), QUERY)
    expected = 5.0 * unit(QUERY) @ unit(weights).T
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9)
