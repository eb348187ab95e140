"""Losses that are not one number a query."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

FIXED = km.episodes.EpisodeSpec(ways=3, shots=1, queries=2)
VARIED = km.episodes.EpisodeSpec(ways=(2, 3), shots=(1, 2), queries=(1, 3))


def squares(labels, scores):
    """Squared errors of each score, `[n, N]`."""
    labels = tf.cast(tf.reshape(labels, [-1]), "int32")
    return (tf.one_hot(labels, 3) - scores) ** 2


class Squares(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return squares(y_true, y_pred)


def stacked(labels, scores):
    """Of three axes, `[n, N, 2]`."""
    errors = squares(labels, scores)
    return tf.stack([errors, 2 * errors], axis=-1)


def mean(labels, scores):
    return tf.reduce_mean(squares(labels, scores))


def network():
    return km.backbones.mlp((4,), 3, units=(4,))


LEARNERS = {
    "MAML": lambda: km.learners.MAML(network()),
    "MAML++": lambda: km.learners.MAMLPlusPlus(network(), inner_steps=2),
    "ProtoNet": lambda: km.learners.ProtoNet(network(), ways=3),
}


def compiled(name, loss):
    learner = LEARNERS[name]()
    learner.compile("sgd", loss)
    return learner


def episodes(spec, batch_size=2):
    y = np.repeat(np.arange(8), 10)
    x = np.random.default_rng(0).normal(size=(80, 4)).astype("float32")
    return km.episodes.episodes_from_arrays(
        x, y, spec, batch_size, num_episodes=2 * batch_size
    )


def by_hand(learner, x, query_y, function, known=None):
    """The mean over tasks of the mean of all numbers of the queries of each."""
    predictions = learner(x)
    if known is None:
        known = x.get("query_mask", tf.ones_like(query_y, "bool"))
    return np.mean(
        [
            np.mean(function(query_y[i][known[i]], predictions[i][known[i]]))
            for i in range(len(query_y))
        ]
    )


@pytest.mark.parametrize("spec", [FIXED, VARIED])
@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize(
    "loss, function",
    [
        (squares, squares),
        (Squares(reduction="mean_with_sample_weight"), squares),
        (stacked, stacked),
    ],
)
def test_several_numbers_a_query(name, spec, loss, function):
    learner = compiled(name, loss)
    x, query_y = next(iter(episodes(spec)))
    logs = learner.test_on_batch(x, query_y, return_dict=True)
    expected = by_hand(learner, x, query_y, function)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


def test_as_many_queries_as_classes():
    """Keras would take weights of queries for those of classes."""
    learner = compiled("ProtoNet", squares)
    spec = km.episodes.EpisodeSpec(ways=3, shots=1, queries=1)
    x, query_y = next(iter(episodes(spec, batch_size=1)))
    query_y = tf.where(query_y == 1, -1, query_y)
    logs = learner.test_on_batch(x, query_y, return_dict=True)
    expected = by_hand(learner, x, query_y, squares, query_y >= 0)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", LEARNERS)
def test_training_by_several_numbers_is_that_by_their_mean(name):
    x, query_y = next(iter(episodes(VARIED)))
    ends = []
    for loss in (squares, lambda *pair: tf.reduce_mean(squares(*pair), axis=1)):
        keras.utils.set_random_seed(0)
        learner = compiled(name, loss)
        learner.fit(episodes(VARIED), verbose=0)
        ends.append(learner.get_weights())
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", LEARNERS)
def test_one_number_for_all_queries_cannot_leave_padding_out(name):
    with pytest.raises(ValueError, match="must return a number for each"):
        compiled(name, mean).fit(episodes(VARIED), verbose=0)


def test_losses_that_compare_queries_cannot_either():
    learner = compiled("ProtoNet", keras.losses.Dice())
    one_hot = episodes(VARIED).map(lambda x, y: (x, tf.one_hot(y, 3)))
    batch, query_y = next(iter(one_hot))
    with pytest.raises(ValueError, match="loss=<.*dice"):
        learner.test_on_batch(batch, query_y)


def test_one_number_for_all_queries_without_padding():
    learner = compiled("MAML", mean)
    x, query_y = next(iter(episodes(FIXED)))
    logs = learner.test_on_batch(x, query_y, return_dict=True)
    expected = by_hand(learner, x, query_y, mean)
    assert logs["loss"] == pytest.approx(expected, rel=1e-5)
    foreign = tf.where(query_y == 1, -1, query_y)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must return a"):
        learner.test_on_batch(x, foreign)
