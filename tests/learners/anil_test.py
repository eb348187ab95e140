"""ANIL: a MAML whose body stands still, at a fraction of the price."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.anil import ANIL
from kerasmeta.learners.gradient_learner import GradientLearner

L2 = keras.regularizers.L2(0.1)


class FrozenBody(GradientLearner):
    """The whole network in each step, of which the last two weights move."""

    def fast_variables(self):
        return self.network.trainable_variables[-2:]


@keras.saving.register_keras_serializable(package="anil_test")
class Counted(layers.Layer):
    """Counts how often it runs."""

    calls = 0

    def call(self, x):
        self.calls += 1
        return x


def network(*middle):
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, kernel_regularizer=L2),
            *middle,
            layers.Activation("tanh"),
            layers.Dense(2, kernel_regularizer=L2, name="head"),
        ]
    )


def compiled(learner_class, net, **kwargs):
    learner = learner_class(
        net, inner_learning_rate=0.1, **{"inner_steps": 3, **kwargs}
    )
    learner.compile(keras.optimizers.SGD(0.1), "mse")
    return learner


def episodes(tasks=3):
    generator = np.random.default_rng(0)

    def draw(examples, width):
        values = generator.normal(size=(tasks, examples, width))
        return tf.constant(values, "float32")

    x = {"support_x": draw(6, 4), "support_y": draw(6, 2)}
    return {**x, "query_x": draw(5, 4)}, draw(5, 2)


@pytest.mark.parametrize("batch_norm", ["transductive", "inductive", "moving"])
@pytest.mark.parametrize("compiled_graph", [False, True])
def test_is_maml_with_a_body_that_stands_still(batch_norm, compiled_graph):
    net = network(layers.BatchNormalization())
    start = net.get_weights()
    results = []
    for learner_class in (ANIL, FrozenBody):
        net.set_weights(start)
        learner = compiled(learner_class, net, batch_norm=batch_norm)
        run = learner.meta_gradients
        run = tf.function(run) if compiled_graph else run
        results.append((run(*episodes()), net.non_trainable_variables))
    (anil, statistics), (frozen, expected) = results
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        [*anil, statistics],
        [*frozen, expected],
    )


def test_losses_of_regularizers_count_once():
    net = network()
    learner = compiled(ANIL, net)
    x, query_y = episodes(1)
    loss, query_pred = learner.meta_loss(x, query_y, training=False)
    adapted = learner.adapted_model(x["support_x"][0], x["support_y"][0])
    expected = np.mean(np.square(query_pred - query_y))
    expected += sum(float(value) for value in adapted.losses)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_only_the_head_adapts():
    net = network()
    learner = compiled(ANIL, net)
    x, _ = episodes()
    adapted = learner.adapted_model(x["support_x"][0], x["support_y"][0])
    pairs = list(zip(adapted.get_weights(), net.get_weights()))
    assert all(np.array_equal(*pair) for pair in pairs[:-2])
    assert not any(np.array_equal(*pair) for pair in pairs[-2:])


def test_the_body_runs_once_over_each_set():
    counted = Counted()
    net = network(counted)
    learner = compiled(ANIL, net, inner_steps=7)
    counted.calls = 0
    x, _ = episodes(1)
    state = learner.adapt(x["support_x"][0], x["support_y"][0])
    assert counted.calls == 1
    learner.predict_query(state, x["query_x"][0])
    assert counted.calls == 2


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
@pytest.mark.parametrize(
    "options", [{}, dict(unroll=False, rematerialize=True)]
)
def test_meta_gradient_is_exact(norm, options):
    layer = getattr(layers, f"{norm}Normalization")()
    learner = compiled(ANIL, network(layer), **options)
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_a_named_layer_begins_the_head():
    net = network(layers.Dense(5, name="middle"))
    learner = compiled(ANIL, net, head="middle")
    assert [id(v) for v in learner.fast_variables()] == [
        id(v) for v in net.trainable_variables[2:]
    ]
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_several_inputs_and_outputs_around_a_named_head():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    both = layers.Add()([layers.Dense(3)(a), layers.Dense(3)(b)])
    head = layers.Dense(3, name="head")(both)
    outputs = {"u": layers.Dense(1)(head), "v": layers.Dense(1)(head)}
    net = keras.Model({"a": a, "b": b}, outputs)
    learner = ANIL(net, head="head", inner_loss={"u": "mse", "v": "mae"})
    x, y = episodes()
    support_x = {"a": x["support_x"][0], "b": x["support_x"][1]}
    support_y = {"u": x["support_y"][0][:, :1], "v": x["support_y"][0][:, 1:]}
    state = learner.adapt(support_x, support_y)
    assert learner.predict_query(state, support_x)["v"].shape == (6, 1)


def test_nested_and_shared_layers():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, "tanh")])
    top = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    net = keras.Sequential([keras.Input((4,)), inner, top])
    for _ in range(2):  # A second learner finds the same cut.
        learner = compiled(ANIL, net)
        assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5
    copy = keras.models.clone_model(net)
    assert len(copy.weights) == len(net.weights)


def test_save_and_load(tmp_path):
    learner = compiled(ANIL, network(layers.BatchNormalization()), head="head")
    data = tf.data.Dataset.from_tensors(episodes())
    learner.fit(data, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.head == "head"
    assert len(loaded.variables) == len(learner.variables)
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
    )


class SubClassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = layers.Dense(3), layers.Dense(1)

    def call(self, x):
        return self.out(self.hidden(x))


def sub_classed():
    net = SubClassed()
    net(np.zeros((1, 4)))
    return net


def two_inputs():
    x = keras.Input((4,))
    pair = [layers.Dense(3)(x), layers.Dense(3)(x)]
    joined = layers.Concatenate(name="join")(pair)
    return keras.Model(x, layers.Dense(1)(joined))


def around_the_head():
    x = keras.Input((4,))
    hidden = layers.Dense(4)(x)
    out = layers.Dense(4, name="last")(hidden)
    return keras.Model(x, layers.Add()([out, x]))


def used_twice():
    dense = layers.Dense(4)
    x = keras.Input((4,))
    hidden = layers.Dense(4, name="last")(layers.ReLU()(dense(x)))
    return keras.Model(x, dense(hidden))


def two_heads():
    x = keras.Input((4,))
    hidden = layers.Dense(4)(x)
    return keras.Model(x, [layers.Dense(1)(hidden), layers.Dense(1)(hidden)])


def masked():
    x = keras.Input((4,))
    hidden = layers.Embedding(3, 2, mask_zero=True)(x)
    return keras.Model(x, layers.Dense(2)(hidden))


@pytest.mark.parametrize(
    "make, head, message",
    [
        (sub_classed, None, "where it is sub-classed"),
        (two_inputs, "join", "this layer has several inputs"),
        (around_the_head, None, "not everything goes through this layer"),
        (used_twice, "last", "a layer is used on both sides"),
        (two_heads, None, "Received: head=None"),
        (masked, None, "gets a mask of padding"),
        (network, "tail", "Received: head='tail'"),
        (
            lambda: keras.Sequential([network(), layers.ReLU(name="last")]),
            "last",
            "The head must have trainable weights",
        ),
    ],
)
def test_networks_that_cannot_be_split(make, head, message):
    with pytest.raises(ValueError, match=message):
        ANIL(make(), head=head)
