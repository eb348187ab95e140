import keras
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
SUPPORT = GENERATOR.normal(size=(6, 3))
QUERY = GENERATOR.normal(size=(11, 3))
LABELS = np.array([0, 1, 2, 0, 1, 0])


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def learner_of(**kwargs):
    inputs = keras.Input((3,))
    return km.learners.LaplacianShot(keras.Model(inputs, inputs), **kwargs)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("steps", [1, 6])
def test_formula(steps):
    support, query = unit(SUPPORT), unit(QUERY)
    prototypes = np.stack([support[LABELS == n].mean(0) for n in range(3)])
    unary = ((query[:, None] - prototypes) ** 2).sum(axis=-1)
    # Without an argument, scikit-learn leaves each example itself out.
    affinity = NearestNeighbors(n_neighbors=2).fit(query).kneighbors_graph()
    logits = -unary
    for _ in range(steps):
        logits = -unary + 0.9 * affinity.toarray() @ softmax(logits)
    learner = learner_of(neighbours=2, weight=0.9, steps=steps)
    received = learner.predict_query(learner.adapt(SUPPORT, LABELS), QUERY)
    np.testing.assert_allclose(received, logits, rtol=1e-9, atol=1e-9)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("queries", [1, 2])
def test_fewer_queries_than_neighbours(queries):
    learner = learner_of(neighbours=5, weight=0.5, steps=1)
    state = learner.adapt(SUPPORT, LABELS)
    received = learner.predict_query(state, QUERY[:queries])
    support, query = unit(SUPPORT), unit(QUERY[:queries])
    prototypes = np.stack([support[LABELS == n].mean(0) for n in range(3)])
    unary = ((query[:, None] - prototypes) ** 2).sum(axis=-1)
    others = 1 - np.eye(queries)
    expected = -unary + 0.5 * others @ softmax(-unary)
    np.testing.assert_allclose(received, expected, rtol=1e-9, atol=1e-9)
