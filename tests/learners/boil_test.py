"""BOIL: the body adapts, and the head stands still."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.boil import BOIL


def network(*middle, activation="tanh"):
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, use_bias=False),
            *middle,
            layers.Activation(activation),
            layers.Dense(2, use_bias=False, name="out"),
        ]
    )


def compiled(net, **kwargs):
    learner = BOIL(net, **{"inner_learning_rate": 0.1, **kwargs})
    learner.compile(keras.optimizers.SGD(0.1), "mse")
    return learner


def episodes(tasks=2):
    generator = np.random.default_rng(0)

    def draw(examples, width):
        values = generator.normal(size=(tasks, examples, width))
        return tf.constant(values, "float32")

    x = {"support_x": draw(6, 4), "support_y": draw(6, 2)}
    return {**x, "query_x": draw(5, 4)}, draw(5, 2)


def test_steps_are_those_of_a_linear_network_with_a_fixed_head():
    net = network(activation="linear")
    learner = compiled(net, inner_steps=3)
    x, _ = episodes()
    support_x, support_y = x["support_x"][0], x["support_y"][0]
    state = learner.adapt(support_x, support_y)
    body, head = [w.astype("float64") for w in net.get_weights()]
    a, y = support_x.numpy(), support_y.numpy()
    for _ in range(3):
        error = a @ body @ head - y
        body = body - 0.1 * 2 / error.size * a.T @ error @ head.T
    (weights,) = state["fast_weights"]
    np.testing.assert_allclose(weights, body, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        learner.predict_query(state, x["query_x"][0]),
        x["query_x"][0] @ body @ head,
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_head_keeps_its_weights():
    net = network(layers.Dense(5))
    learner = compiled(net)
    x, _ = episodes()
    adapted = learner.adapted_model(x["support_x"][0], x["support_y"][0])
    same = [
        np.array_equal(*pair)
        for pair in zip(adapted.get_weights(), net.get_weights())
    ]
    assert same == [False, False, False, True]


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
@pytest.mark.parametrize("unroll", [True, False])
def test_meta_gradient_is_exact(norm, unroll):
    layer = getattr(layers, f"{norm}Normalization")()
    learner = compiled(
        network(layer), inner_steps=3, unroll=unroll, rematerialize=not unroll
    )
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_a_sub_classed_network():
    class SubClassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.body, self.top = layers.Dense(3), layers.Dense(1)

        def call(self, x):
            return self.top(self.body(x))

    net = SubClassed()
    net(np.zeros((1, 4)))
    learner = compiled(net)
    assert [id(v) for v in learner.fast_variables()] == [
        id(v) for v in net.body.variables
    ]


def test_save_and_load(tmp_path):
    learner = compiled(network(layers.Dense(5, name="middle")), head="middle")
    assert len(learner.fast_variables()) == 1
    data = tf.data.Dataset.from_tensors(episodes())
    learner.fit(data, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.head == "middle"
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    "make, head, message",
    [
        (network, "tail", "Received: head='tail'"),
        (
            lambda: keras.Sequential([keras.Input((4,)), layers.Dense(1)]),
            None,
            "trainable weights in front of its head",
        ),
    ],
)
def test_bad_arguments(make, head, message):
    with pytest.raises(ValueError, match=message):
        BOIL(make(), head=head)
