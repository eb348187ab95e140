import keras
import numpy as np
import pytest

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
SUPPORT = np.abs(GENERATOR.normal(size=(6, 32)))
QUERY = np.abs(GENERATOR.normal(size=(12, 32)))
LABELS = np.arange(6) % 3


def transform(x):
    x = (x + 1e-6) ** 0.4
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x -= x.mean(axis=0)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def plan_of(query, prototypes, scalings):
    """Scale rows and columns of the powers themselves."""
    plan = np.exp(-7 * ((query[:, None] - prototypes) ** 2).sum(axis=-1))
    plan /= plan.sum(axis=1, keepdims=True)
    for _ in range(scalings):
        plan *= 4 / plan.sum(axis=0)
        plan /= plan.sum(axis=1, keepdims=True)
    return plan


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "scalings, atol", [(50, 1e-9), pytest.param(2000, 2e-4, id="converged")]
)
def test_formula(scalings, atol):
    support, query = transform(SUPPORT), transform(QUERY)
    prototypes = np.stack([support[LABELS == n].mean(0) for n in range(3)])
    for _ in range(4):
        plan = plan_of(query, prototypes, scalings)
        sums = np.eye(3)[LABELS].T @ support + plan.T @ query
        means = sums / (2 + plan.sum(axis=0))[:, None]
        prototypes += 0.3 * (means - prototypes)
    inputs = keras.Input((32,))
    learner = km.learners.PTMAP(
        keras.Model(inputs, inputs), power=0.4, sharpness=7, rate=0.3, steps=4
    )
    received = learner.predict_query(learner.adapt(SUPPORT, LABELS), QUERY)
    np.testing.assert_allclose(
        np.exp(received), plan_of(query, prototypes, scalings), atol=atol
    )


def test_negative_features_are_finite():
    inputs = keras.Input((32,))
    learner = km.learners.PTMAP(keras.Model(inputs, inputs), steps=2)
    received = learner.predict_query(learner.adapt(-SUPPORT, LABELS), -QUERY)
    assert np.isfinite(received).all()
