import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
SUPPORT = GENERATOR.normal(size=(6, 3))
QUERY = GENERATOR.normal(size=(11, 3))
LABELS = np.array([0, 1, 2, 0, 1, 0])


def identity(size):
    inputs = keras.Input((size,))
    return keras.Model(inputs, inputs)


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
    learner = km.learners.BDCSPN(
        identity(3),
        pseudo_labels=pseudo_labels,
        temperature=5.0,
    )
    received = learner.predict_query(learner.adapt(SUPPORT, LABELS), QUERY)
    np.testing.assert_allclose(
        received, reference(pseudo_labels, 5.0), rtol=1e-9, atol=1e-9
    )


def test_probabilities_that_round_to_one_do_not_tie():
    """Of twelve queries that are certain, the two most certain join."""
    learner = km.learners.BDCSPN(identity(3), pseudo_labels=2, temperature=60.0)
    logits = np.zeros((1, 12, 3), "float32")
    logits[0, :, 0] = 40.0 + np.arange(12)[::-1] % 7
    joins = learner._confident(
        tf.constant(logits), tf.ones([1, 1, 3]), tf.ones([1, 12, 1])
    )
    assert np.argwhere(joins[0]).tolist() == [[5, 0], [6, 0]]


def test_equal_queries_do_not_join_all():
    learner = km.learners.BDCSPN(identity(3), pseudo_labels=2)
    logits = tf.tile(tf.constant([[[3.0, 1.0, 0.0]]]), [1, 5, 1])
    joins = learner._confident(logits, tf.ones([1, 1, 3]), tf.ones([1, 5, 1]))
    np.testing.assert_array_equal(tf.reduce_sum(joins, axis=1), [[2, 0, 0]])
