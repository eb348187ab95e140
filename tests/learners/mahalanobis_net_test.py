import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.mahalanobis_net import MahalanobisNet

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0, 1, 1])
SUPPORT = GENERATOR.normal(size=(8, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(5, 3)).astype("float32")


def identity(size=3):
    x = keras.Input((size,))
    return keras.Model(x, keras.layers.Activation("linear")(x))


def solved(learner, support_x=SUPPORT, labels=LABELS, mask=None, query_x=None):
    mask = None if mask is None else tf.constant(mask)
    query_x = QUERIES if query_x is None else query_x
    state = learner.adapt(tf.constant(support_x), tf.constant(labels), mask)
    return learner.predict_query(state, tf.constant(query_x)).numpy()


def by_hand(support_x, labels, query_x, ridge):
    """Logits in float64, with an explicit inverse."""
    support_x, query_x = support_x.astype("float64"), query_x.astype("float64")
    logits = np.zeros((len(query_x), labels.max() + 1))
    identity = np.eye(support_x.shape[-1])
    for n in range(labels.max() + 1):
        own = support_x[labels == n]
        share = len(own) / (len(own) + 1)
        cov = np.cov(own.T) if len(own) > 1 else 0 * identity
        cov = share * cov + (1 - share) * np.cov(support_x.T)
        inverse = np.linalg.inv(cov + ridge * identity)
        for q, query in enumerate(query_x):
            difference = query - own.mean(axis=0)
            logits[q, n] = -0.5 * difference @ inverse @ difference
    return logits


@pytest.mark.usefixtures("float64")
def test_logits_are_those_of_the_paper():
    np.testing.assert_allclose(
        solved(MahalanobisNet(identity(), ridge=0.3)),
        by_hand(SUPPORT, LABELS, QUERIES, 0.3),
        rtol=1e-9,
    )


def test_is_stable_in_single_precision():
    """Wide embeddings of which few examples are known, far from isotropic."""
    scales = np.geomspace(1e-2, 1e3, 40)
    support_x = (scales * GENERATOR.normal(size=(9, 40))).astype("float32")
    query_x = (scales * GENERATOR.normal(size=(4, 40))).astype("float32")
    labels = np.arange(9) % 3
    received = solved(
        MahalanobisNet(identity(40)), support_x, labels, query_x=query_x
    )
    expected = by_hand(support_x, labels, query_x, 1.0)
    np.testing.assert_allclose(received, expected, rtol=1e-3)


def test_padding_and_absent_classes_do_not_matter():
    learner = MahalanobisNet(identity(), ways=4)
    kept = [0, 2, 3, 4]
    alone = solved(learner, SUPPORT[kept], LABELS[kept])
    padded = solved(learner, mask=[i in kept for i in range(8)])
    np.testing.assert_allclose(padded, alone, rtol=1e-4)
    assert set(padded.argmax(axis=-1)) <= {1, 2}


def test_orders_do_not_matter():
    learner, names = MahalanobisNet(identity()), np.array([2, 0, 1])
    order = GENERATOR.permutation(8)
    moved = solved(learner, SUPPORT[order], names[LABELS[order]])
    np.testing.assert_allclose(
        moved[:, names], solved(learner), rtol=1e-4, atol=1e-5
    )


def test_gradients_are_exact():
    backbone = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    learner = MahalanobisNet(backbone, ways=4)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x = {
        "support_x": tf.constant(SUPPORT[None]),
        "support_y": tf.constant(LABELS[None]),
        "support_mask": tf.constant([[True] * 6 + [False] * 2]),
        "query_x": tf.constant(QUERIES[None]),
    }
    query_y = tf.constant([[0, 1, 2, 0, 1]])
    assert km.testing.verify_meta_gradient(learner, x, query_y) < 1e-6


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: ridge=0"):
        MahalanobisNet(identity(), ridge=0)
    maps = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)])
    with pytest.raises(ValueError, match="must return embeddings"):
        MahalanobisNet(maps)
