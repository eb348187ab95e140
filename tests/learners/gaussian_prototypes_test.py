import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.gaussian_prototypes import GaussianPrototypes

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0, 1])
# Numbers of outputs of which three are the embedding.
SIZES = {"radius": 4, "diagonal": 6}


def identity(size):
    x = keras.Input((size,))
    return keras.Model(x, keras.layers.Activation("linear")(x))


def task(size):
    generator = np.random.default_rng(1)
    support_x = generator.normal(size=(7, size)).astype("float32")
    return support_x, generator.normal(size=(5, size)).astype("float32")


def solved(learner, support_x, query_x, labels=LABELS, mask=None):
    mask = None if mask is None else tf.constant(mask)
    state = learner.adapt(tf.constant(support_x), tf.constant(labels), mask)
    return learner.predict_query(state, tf.constant(query_x)).numpy()


def by_hand(support_x, query_x):
    """The formula for one query and class after the other, in float64."""
    support_x, query_x = support_x.astype("float64"), query_x.astype("float64")
    logits = np.zeros((len(query_x), 3))
    for n in range(3):
        own = support_x[LABELS == n]
        certainty = 1 + np.log1p(np.exp(own[:, 3:]))
        total = np.ones(3) * certainty.sum(axis=0)
        center = (certainty * own[:, :3]).sum(axis=0) / total
        for q, query in enumerate(query_x[:, :3]):
            difference = query - center
            squared = difference @ np.diag(total) @ difference
            logits[q, n] = -np.sqrt(squared)
    return logits


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("covariance, size", SIZES.items())
def test_logits_are_those_of_the_paper(covariance, size):
    learner = GaussianPrototypes(identity(size), covariance=covariance)
    np.testing.assert_allclose(
        solved(learner, *task(size)), by_hand(*task(size)), rtol=1e-9
    )


def test_equal_certainty_makes_class_means():
    learner = GaussianPrototypes(identity(4))
    support_x, query_x = task(4)
    support_x[:, 3] = 0.5
    state = learner.adapt(tf.constant(support_x), tf.constant(LABELS))
    means = [support_x[LABELS == n, :3].mean(axis=0) for n in range(3)]
    np.testing.assert_allclose(
        state["head"]["prototypes"], means, rtol=1e-5, atol=1e-6
    )


def test_padding_and_absent_classes_do_not_matter():
    learner = GaussianPrototypes(identity(4), ways=4)
    support_x, query_x = task(4)
    kept = [0, 2, 3]
    alone = solved(learner, support_x[kept], query_x, LABELS[kept])
    mask = [i in kept for i in range(7)]
    padded = solved(learner, support_x, query_x, mask=mask)
    np.testing.assert_allclose(padded, alone, rtol=1e-5)
    assert set(padded.argmax(axis=-1)) <= {1, 2}


def test_orders_do_not_matter():
    learner, names = GaussianPrototypes(identity(4)), np.array([2, 0, 1])
    support_x, query_x = task(4)
    order = GENERATOR.permutation(7)
    moved = solved(learner, support_x[order], query_x, names[LABELS[order]])
    np.testing.assert_allclose(
        moved[:, names], solved(learner, support_x, query_x), rtol=1e-4
    )


def compiled(covariance="radius"):
    backbone = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(SIZES[covariance])]
    )
    learner = GaussianPrototypes(backbone, 4, covariance)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return learner


def episodes():
    support_x, query_x = task(4)
    x = {
        "support_x": tf.constant(support_x[None]),
        "support_y": tf.constant(LABELS[None]),
        "support_mask": tf.constant([[True] * 6 + [False]]),
        "query_x": tf.constant(query_x[None]),
    }
    return x, tf.constant([[0, 1, 2, 0, 1]])


@pytest.mark.parametrize("covariance", SIZES)
def test_gradients_are_exact(covariance):
    learner = compiled(covariance)
    error = km.testing.verify_meta_gradient(learner, *episodes(), directions=2)
    assert error < 1e-6


def test_a_query_at_its_prototype_has_a_finite_gradient():
    learner = compiled()
    x, query_y = episodes()
    # With one shot: the only example of class 0, and a query like it.
    x["support_mask"] = tf.constant([[True] * 5 + [False] * 2])
    x["query_x"] = tf.repeat(x["support_x"][:, 1:2], 5, axis=1)
    for gradient in learner.meta_gradients(x, query_y)[2]:
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("covariance, size", [("radius", 1), ("diagonal", 5)])
def test_wrong_backbones(covariance, size):
    with pytest.raises(ValueError, match=f"outputs of size {size}"):
        GaussianPrototypes(identity(size), covariance=covariance)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: covariance='full'"):
        GaussianPrototypes(identity(4), covariance="full")
