import keras
import numpy as np
import pytest

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
SUPPORT = GENERATOR.normal(size=(6, 3))
QUERY = GENERATOR.normal(size=(11, 3))
LABELS = np.array([0, 1, 2, 0, 1, 0])


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def reference(pseudo_labels, temperature):
    """The three steps of the paper, class by class."""
    support, query = unit(SUPPORT), unit(QUERY)
    query = query + support.mean(axis=0) - query.mean(axis=0)
    prototypes = np.stack([support[LABELS == n].mean(0) for n in range(3)])
    scores = np.exp(temperature * unit(query) @ unit(prototypes).T)
    scores /= scores.sum(axis=1, keepdims=True)
    rectified = []
    for n in range(3):
        own = np.flatnonzero(scores.argmax(axis=1) == n)
        own = own[np.argsort(-scores[own, n])][:pseudo_labels]
        members = np.concatenate([support[LABELS == n], query[own]])
        weights = np.exp(temperature * unit(members) @ unit(prototypes[n]))
        rectified.append(weights @ members / weights.sum())
    return temperature * unit(query) @ unit(np.stack(rectified)).T


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("pseudo_labels", [1, 2, 50])
def test_formula(pseudo_labels):
    inputs = keras.Input((3,))
    learner = km.learners.BDCSPN(
        keras.Model(inputs, inputs),
        pseudo_labels=pseudo_labels,
        temperature=5.0,
    )
    received = learner.predict_query(learner.adapt(SUPPORT, LABELS), QUERY)
    np.testing.assert_allclose(
        received, reference(pseudo_labels, 5.0), rtol=1e-9, atol=1e-9
    )
