"""Loops and recomputed steps give what unrolled steps give."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.inner_loop import run_steps

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def conv_network():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(3, kernel_regularizer="l2"),
        ]
    )


def dense_network():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Flatten(),
            layers.Dense(6, "tanh"),
            layers.LayerNormalization(),
            layers.Dense(3),
        ]
    )


def learner_with(make_network, **kwargs):
    keras.utils.set_random_seed(0)
    arguments = {"inner_learning_rate": 0.1, "inner_steps": 3, **kwargs}
    learner = km.learners.MAML(make_network(), **arguments)
    learner.compile(keras.optimizers.SGD(0.1), LOSS, metrics=["accuracy"])
    return learner


def episodes(tasks=3, masked=False):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, tasks, 6, 8, 8, 1)).astype("float32")
    y = tf.tile([[0, 1, 2, 0, 1, 2]], [tasks, 1])
    data = {"support_x": x[0], "support_y": y, "query_x": x[1]}
    if masked:
        data["support_mask"] = tf.tile([[True] * 5 + [False]], [tasks, 1])
    return tf.nest.map_structure(tf.constant, data), y


def gradients(learner, *data, **kwargs):
    return tf.function(learner.meta_gradients, **kwargs)(*data)


def assert_same(received, expected, tolerance=1e-4):
    for one, other in zip(
        tf.nest.flatten(received), tf.nest.flatten(expected), strict=True
    ):
        difference = np.linalg.norm(one - other)
        assert difference <= tolerance * max(np.linalg.norm(other), 1e-2)


WAYS = {
    "loop": dict(unroll=False),
    "recomputed": dict(rematerialize=True),
}


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "network, way",
    [
        (conv_network, "recomputed"),
        pytest.param(conv_network, "loop", marks=SLOW),
        pytest.param(dense_network, "recomputed", marks=SLOW),
        (dense_network, "loop"),
    ],
)
def test_gradients_are_those_of_unrolled_steps(network, way):
    data = episodes(masked=True)
    optimizer = km.inner_optimizers.Adam
    expected = gradients(
        learner_with(network, inner_optimizer=optimizer(0.02)), *data
    )
    learner = learner_with(
        network, inner_optimizer=optimizer(0.02), **WAYS[way]
    )
    assert_same(gradients(learner, *data), expected)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", ["transductive", "inductive", "moving"])
def test_they_are_exact(way, policy):
    learner = learner_with(conv_network, batch_norm=policy, **WAYS[way])
    data = episodes(tasks=2)
    assert km.testing.verify_meta_gradient(learner, *data) < 1e-6


@pytest.mark.parametrize(
    "way", ["recomputed", pytest.param("loop", marks=SLOW)]
)
def test_fit_moves_statistics_and_weights_alike(way):
    results = []
    for kwargs in ({}, WAYS[way]):
        learner = learner_with(conv_network, **kwargs)
        data = tf.data.Dataset.from_tensors(episodes()).repeat(2)
        learner.fit(data, verbose=0)
        results.append(learner.get_weights())
    assert_same(results[0], results[1])


def test_fused_normalization_in_a_loop_where_weights_decay():
    """TensorFlow's gradient of a loop is wrong if its variable is a scale."""
    keras.utils.set_random_seed(0)
    learner = km.learners.ALFA(
        conv_network(), inner_learning_rate=0.05, inner_steps=2, unroll=False
    )
    learner.compile(keras.optimizers.SGD(0.1), LOSS)
    # Without dropout, which draws anew.
    learner.network.layers[3].rate = 0.0
    data = episodes()
    assert_same(
        gradients(learner, *data)[2], learner.meta_gradients(*data)[2], 1e-3
    )


def operations(learner, data):
    graph = (
        tf.function(learner.meta_gradients).get_concrete_function(*data).graph
    )
    functions = graph.as_graph_def().library.function
    return len(graph.get_operations()) + sum(len(f.node_def) for f in functions)


def test_a_loop_does_not_grow_with_the_steps():
    data = episodes()
    sizes = [
        operations(
            learner_with(conv_network, inner_steps=n, unroll=False), data
        )
        for n in (3, 20)
    ]
    assert sizes[1] < 1.02 * sizes[0]


@pytest.mark.slow
@pytest.mark.parametrize("way", [{}, *WAYS.values()])
def test_xla_gives_the_same(way):
    learner = learner_with(dense_network, **way)
    data = episodes()
    assert_same(
        gradients(learner, *data, jit_compile=True),
        gradients(learner, *data),
    )


def test_test_inner_steps_hold_outside_of_fit_only():
    x, y = episodes(tasks=1)
    support = x["support_x"][0], x["support_y"][0]
    short = learner_with(dense_network, inner_steps=2, test_inner_steps=5)
    long = learner_with(dense_network, inner_steps=5)
    assert_same(short.adapt(*support), long.adapt(*support))
    two = learner_with(dense_network, inner_steps=2)
    assert_same(gradients(short, x, y)[2], gradients(two, x, y)[2], 1e-6)
    copy = km.learners.MAML.from_config(short.get_config())
    assert copy.test_inner_steps == 5


@pytest.mark.slow
def test_second_order_begins_after_some_outer_steps():
    data = episodes()
    late = learner_with(dense_network, second_order_after=1)
    first = learner_with(dense_network, first_order=True)
    second = learner_with(dense_network)
    step = tf.function(late.meta_gradients)
    assert_same(step(*data)[2], gradients(first, *data)[2])
    late.optimizer.iterations.assign(1)
    assert_same(step(*data)[2], gradients(second, *data)[2])
    difference = gradients(first, *data)[2][0] - step(*data)[2][0]
    assert np.abs(difference).max() > 1e-4


@pytest.mark.parametrize("unroll", [True, False])
def test_what_is_collected_after_each_step(unroll):
    @tf.function
    def run():
        return run_steps(
            lambda state, step: state * 2.0,
            tf.constant(1.0),
            3,
            unroll,
            lambda state, step: state + tf.cast(step, "float32"),
        )

    state, collected = run()
    assert float(state) == 8.0
    np.testing.assert_allclose(collected, [2.0, 5.0, 10.0])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(test_inner_steps=0), "test_inner_steps=0"),
        (dict(second_order_after=-1), "second_order_after=-1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        learner_with(dense_network, **arguments)
