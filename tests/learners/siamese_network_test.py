import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.siamese_network import SiameseNetwork

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0, 1])
SUPPORT = GENERATOR.normal(size=(7, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(5, 3)).astype("float32")


def identity():
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.Activation("linear")(x))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def solved(learner, support_x=SUPPORT, labels=LABELS, mask=None, scale=1):
    mask = None if mask is None else tf.constant(mask)
    state = learner.adapt(
        tf.constant(scale * support_x), tf.constant(labels), mask
    )
    return learner.predict_query(state, tf.constant(scale * QUERIES)).numpy()


def test_is_the_mean_similarity_with_each_class():
    learner = SiameseNetwork(identity())
    kernel, bias = learner.similarity.get_weights()
    scores = sigmoid(solved(learner))
    for q in range(5):
        for n in range(3):
            distances = np.abs(QUERIES[q] - SUPPORT[LABELS == n])
            similarities = sigmoid(distances @ kernel[:, 0] + bias)
            np.testing.assert_allclose(
                scores[q, n], similarities.mean(), rtol=1e-5
            )


def test_certainty_stays_finite():
    learner = SiameseNetwork(identity())
    logits = solved(learner, scale=1e5)
    assert np.abs(logits).max() > 1e3
    assert np.isfinite(logits).all()


def test_padding_and_absent_classes_do_not_matter():
    learner = SiameseNetwork(identity(), ways=4)
    alone = solved(learner, SUPPORT[[0, 2, 3]], LABELS[[0, 2, 3]])
    padded = solved(learner, mask=[i in (0, 2, 3) for i in range(7)])
    np.testing.assert_allclose(padded, alone, rtol=1e-5)
    assert set(padded.argmax(axis=-1)) <= {1, 2}


def test_the_order_of_the_support_set_does_not_matter():
    learner = SiameseNetwork(identity())
    order = np.array([3, 0, 6, 1, 5, 2, 4])
    np.testing.assert_allclose(
        solved(learner, SUPPORT[order], LABELS[order]),
        solved(learner),
        rtol=1e-4,
        atol=1e-5,
    )


def test_gradients_are_exact():
    backbone = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    learner = SiameseNetwork(backbone, ways=4)
    learner.compile(loss=km.losses.RelationBinaryCrossentropy())
    x = {
        "support_x": tf.constant(SUPPORT[None]),
        "support_y": tf.constant(LABELS[None]),
        "support_mask": tf.constant([[True] * 6 + [False]]),
        "query_x": tf.constant(QUERIES[None]),
    }
    query_y = tf.constant([[0, 1, 2, 0, 1]])
    assert km.testing.verify_meta_gradient(learner, x, query_y) < 1e-5


def test_bad_backbones():
    maps = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)])
    with pytest.raises(ValueError, match="must return embeddings"):
        SiameseNetwork(maps)
