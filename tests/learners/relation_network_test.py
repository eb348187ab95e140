import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.relation_network import RelationNetwork

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0, 1])
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SHAPES = [(4, 4, 2), (3,)]


def identity(shape):
    x = keras.Input(shape)
    return keras.Model(x, layers.Activation("linear")(x))


def normalized(shape):
    return keras.Sequential([keras.Input(shape), layers.BatchNormalization()])


def normal(count, shape):
    return GENERATOR.normal(size=(count, *shape)).astype("float32")


def episodes(shape):
    """One task, its last support and query examples padding."""
    x = {
        "support_x": normal(7, shape),
        "support_y": LABELS,
        "support_mask": np.array([True] * 5 + [False] * 2),
        "query_x": normal(6, shape),
        "query_mask": np.array([True] * 4 + [False] * 2),
    }
    query_y = np.array([0, 1, 2, 0, 0, 0])
    return tf.nest.map_structure(lambda t: tf.constant(t[None]), (x, query_y))


def compiled(backbone, ways=None, loss=None):
    learner = RelationNetwork(backbone, ways, filters=4, hidden_units=4)
    learner.compile(loss=loss or km.losses.RelationMeanSquaredError())
    return learner


@pytest.mark.parametrize("shape", SHAPES)
def test_compares_each_query_with_the_mean_of_each_class(shape):
    learner = compiled(identity(shape))
    support_x, query_x = normal(7, shape), normal(5, shape)
    state = learner.adapt(tf.constant(support_x), tf.constant(LABELS))
    logits = learner.predict_query(state, tf.constant(query_x))
    assert logits.shape == (5, 3)
    for q in range(5):
        for n in range(3):
            mean = support_x[LABELS == n].mean(axis=0)
            pair = np.concatenate([mean, query_x[q]], axis=-1)[None]
            np.testing.assert_allclose(
                logits[q, n],
                learner.relation_module(pair)[0, 0],
                rtol=1e-4,
                atol=1e-6,
            )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [False, True])
def test_padding_does_not_matter(shape, training):
    learner = compiled(normalized(shape), ways=4)
    x, query_y = episodes(shape)
    short = {
        "support_x": x["support_x"][:, :5],
        "support_y": x["support_y"][:, :5],
        "query_x": x["query_x"][:, :4],
    }
    state = [v.numpy() for v in learner.non_trainable_variables]
    padded, _ = learner.meta_loss(x, query_y, training=training)
    moved = [v.numpy() for v in learner.non_trainable_variables]
    for variable, value in zip(learner.non_trainable_variables, state):
        variable.assign(value)
    alone, _ = learner.meta_loss(short, query_y[:, :4], training=training)
    np.testing.assert_allclose(padded, alone, rtol=1e-4)
    for variable, value in zip(learner.non_trainable_variables, moved):
        np.testing.assert_allclose(variable, value, rtol=1e-4, atol=1e-6)


def test_the_number_of_ways_does_not_matter_in_training():
    x, query_y = episodes((3,))
    losses = []
    for ways in (None, 6):
        keras.utils.set_random_seed(1)
        learner = compiled(normalized((3,)), ways)
        losses.append(learner.meta_loss(x, query_y, training=True)[0])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


@pytest.mark.parametrize(
    "loss", [None, pytest.param(CROSSENTROPY, marks=pytest.mark.slow)]
)
def test_gradients_are_exact(loss):
    shape = (4, 4, 2)
    backbone = keras.Sequential(
        [keras.Input(shape), layers.Conv2D(2, 3, padding="same")]
    )
    learner = compiled(backbone, ways=4, loss=loss)
    error = km.testing.verify_meta_gradient(
        learner, *episodes(shape), directions=2
    )
    assert error < 1e-5


def test_bad_backbones():
    with pytest.raises(ValueError, match="Received: shape="):
        RelationNetwork(identity((3, 3, 2)))
    with pytest.raises(ValueError, match="outputs of shape"):
        RelationNetwork(identity((None, 8, 2)))
