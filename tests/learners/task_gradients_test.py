"""Gradients task by task are those of the whole meta-batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.meta_learner import MetaLearner

CLASSES = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def learner_with(loss=None, learner_class=km.learners.MAML, **kwargs):
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activity_regularizer="l2"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    learner = learner_class(
        network, inner_learning_rate=0.1, inner_steps=2, **kwargs
    )
    learner.compile(
        keras.optimizers.SGD(0.1),
        loss or CLASSES,
    )
    return learner


def episodes(tasks=3, masked=False):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, tasks, 6, 8, 8, 1)).astype("float32")
    y = tf.tile([[0, 1, 2, 0, 1, 2]], [tasks, 1])
    data = {"support_x": x[0], "support_y": y, "query_x": x[1]}
    if masked:
        mask = np.ones((tasks, 6), bool)
        mask[0, 4:] = mask[1, 5:] = False
        data["query_mask"] = mask
    return tf.nest.map_structure(tf.constant, data), y


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    "eager", [False, pytest.param(True, marks=pytest.mark.slow)]
)
def test_same_as_one_tape_over_the_meta_batch(masked, weighted, eager):
    x, y = episodes(masked=masked)
    weights = None
    if weighted:
        weights = tf.random.stateless_uniform([3, 6], [0, 1])
    whole, single = learner_with(), learner_with()
    expected = tf.function(
        lambda: MetaLearner.meta_gradients(whole, x, y, weights)
    )()
    run = single.meta_gradients if eager else tf.function(single.meta_gradients)
    received = run(x, y, weights)
    for one, other in zip(
        tf.nest.flatten(received), tf.nest.flatten(expected), strict=True
    ):
        scale = max(np.linalg.norm(other), 1e-2)
        assert np.linalg.norm(one - other) < 1e-4 * scale
    for one, other in zip(
        single.network.get_weights(), whole.network.get_weights()
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


class Ranked(km.learners.MAML):
    """Learns from the worst task only, in an outer loss of its own."""

    def meta_loss(self, episodes, query_y, sample_weight=None, training=True):
        query_pred = self(episodes, training=training)
        losses = keras.losses.sparse_categorical_crossentropy(
            query_y, query_pred, from_logits=True
        )
        losses = tf.reduce_mean(losses, axis=-1)
        return tf.reduce_max(losses), query_pred


class Alike(km.learners.MAML):
    """Punishes predictions that differ between tasks, where it solves them."""

    def solve(self, episodes, training=False):
        query_pred = super().solve(episodes, training)
        self.add_loss(tf.reduce_sum(tf.math.reduce_std(query_pred, axis=0)))
        return query_pred


@pytest.mark.parametrize("kind", ["Ranked", "Alike", "Dice"])
def test_a_loss_that_couples_tasks_is_left_whole(kind):
    """Of a learner of one's own, or Keras' own loss of a whole batch."""
    x, y = episodes(tasks=2)
    options = {"learner_class": {"Ranked": Ranked, "Alike": Alike}.get(kind)}
    if kind == "Dice":
        y, loss = tf.one_hot(y, 3), keras.losses.Dice()
        options = {"loss": loss, "inner_loss": CLASSES}
    expected = MetaLearner.meta_gradients(learner_with(**options), x, y)
    learner = learner_with(**options)
    received = tf.function(learner.meta_gradients)(x, y)
    for one, other in zip(
        tf.nest.flatten(received), tf.nest.flatten(expected), strict=True
    ):
        scale = max(np.linalg.norm(other), 1e-2)
        assert np.linalg.norm(one - other) < 1e-3 * scale


def test_accumulating_over_outer_steps_is_one_larger_meta_batch():
    x, y = episodes(tasks=4)
    one = learner_with()
    one.fit(tf.data.Dataset.from_tensors((x, y)), verbose=0)
    two = learner_with()
    loss = two.loss
    two.compile(keras.optimizers.SGD(0.1, gradient_accumulation_steps=2), loss)
    halves = tf.data.Dataset.from_tensor_slices((x, y)).batch(2)
    two.fit(halves, verbose=0)
    for a, b in zip(one.trainable_variables, two.trainable_variables):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
