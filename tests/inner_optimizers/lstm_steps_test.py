import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.inner_optimizers.lstm_steps import LSTMSteps
from kerasmeta.testing.float64 import double_precision

SHAPES = [(2, 3), (4,), ()]


def draw(seed, scale=1.0):
    generator = np.random.default_rng(seed)
    return [scale * generator.normal(size=shape) for shape in SHAPES]


def built(weights, units=5):
    """An LSTM with weights large enough to matter."""
    optimizer = LSTMSteps(0.1, units=units)
    optimizer.build_for([tf.constant(w) for w in weights], 1)
    generator = np.random.default_rng(7)
    for variable in optimizer.trainable_variables:
        variable.assign_add(0.5 * generator.normal(size=variable.shape))
    return optimizer


def run(optimizer, weights, gradients, losses):
    weights = [tf.constant(w) for w in weights]
    state = optimizer.initial_state(weights)
    for step, (gradient, loss) in enumerate(zip(gradients, losses)):
        gradient = [tf.constant(g) for g in gradient]
        weights, state = optimizer.step(
            weights, gradient, state, step, tf.constant(loss)
        )
    return [w.numpy() for w in weights]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def preprocess(x):
    if abs(x) >= math.exp(-10):
        return [math.log(abs(x)) / 10, math.copysign(1, x)]
    return [-1.0, math.exp(10) * x]


def numpy_coordinate(optimizer, weight, gradients, losses):
    """The paper's update of one coordinate, number by number."""
    kernel, recurrent, bias = [v.numpy() for v in optimizer.cell.weights]
    input_kernel, input_bias = [v.numpy() for v in optimizer.input_gate]
    forget_kernel, forget_bias = [v.numpy() for v in optimizer.forget_gate]
    hidden = cell = np.zeros(optimizer.units)
    i = f = 0.0
    for gradient, loss in zip(gradients, losses):
        x = np.array([*preprocess(gradient), *preprocess(loss)])
        gates = np.split(x @ kernel + hidden @ recurrent + bias, 4)
        kept, new = sigmoid(gates[1]) * cell, np.tanh(gates[2])
        cell = kept + sigmoid(gates[0]) * new
        hidden = sigmoid(gates[3]) * np.tanh(cell)
        i = sigmoid(np.array([*hidden, weight, i]) @ input_kernel + input_bias)
        f = sigmoid(
            np.array([*hidden, weight, f]) @ forget_kernel + forget_bias
        )
        weight = f * weight - i * gradient
    return weight


def test_update_equals_a_numpy_lstm():
    with double_precision():
        weights = draw(0)
        gradients = [draw(seed, scale=0.1) for seed in (1, 2, 3)]
        gradients[1][0][0, 0] = 0.0
        gradients[2][1][:] *= 1e-6  # below exp(-10)
        losses = [1.5, 0.3, 1e-6]
        optimizer = built(weights)
        moved = run(optimizer, weights, gradients, losses)
        for k, weight in enumerate(weights):
            for at in np.ndindex(weight.shape):
                expected = numpy_coordinate(
                    optimizer,
                    weight[at],
                    [gradient[k][at] for gradient in gradients],
                    losses,
                )
                np.testing.assert_allclose(moved[k][at], expected, rtol=1e-10)


def test_the_order_of_coordinates_does_not_matter():
    with double_precision():
        weights, gradients = draw(0), [draw(1), draw(2)]
        optimizer = built(weights)
        moved = run(optimizer, weights, gradients, [1.0, 0.5])
        flat = np.concatenate([m.ravel() for m in moved])
        order = np.random.default_rng(0).permutation(len(flat))

        def shuffle(arrays):
            return [np.concatenate([a.ravel() for a in arrays])[order]]

        shuffled = run(
            optimizer, shuffle(weights), map(shuffle, gradients), [1.0, 0.5]
        )
    np.testing.assert_allclose(shuffled[0], flat[order], rtol=1e-12)


def test_it_begins_near_gradient_descent_with_little_decay():
    optimizer = LSTMSteps(0.05)
    weights = [tf.ones([3]), tf.ones([2, 2])]
    optimizer.build_for(weights)
    state = optimizer.initial_state(weights)
    _, state = optimizer.step(weights, weights, state, 0, tf.constant(1.0))
    np.testing.assert_allclose(state["input"], 0.05, rtol=0.15)
    np.testing.assert_allclose(state["forget"], 0.993, atol=0.002)
    assert optimizer.count_params() == 4 * 20 * (4 + 20 + 1) + 2 * (20 + 3)


def test_derivatives_are_finite_at_zero():
    weights = [tf.zeros([3])]
    optimizer = LSTMSteps()
    optimizer.build_for(weights)
    gradient, loss = tf.zeros([3]), tf.constant(0.0)
    with tf.GradientTape() as outer:
        outer.watch([gradient, loss])
        with tf.GradientTape() as inner:
            inner.watch([gradient, loss])
            moved, _ = optimizer.step(
                weights, [gradient], optimizer.initial_state(weights), 0, loss
            )
        first = inner.gradient(moved, [gradient, loss])
    second = outer.gradient(
        first, [gradient, loss], unconnected_gradients="zero"
    )
    for derivative in [*first, *second]:
        assert np.isfinite(derivative).all()


def learner_with(norm, **kwargs):
    network = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5),
            getattr(keras.layers, f"{norm}Normalization")(),
            keras.layers.Activation("tanh"),
            keras.layers.Dense(3),
        ]
    )
    learner = km.learners.MAML(
        network, inner_optimizer=LSTMSteps(0.1, units=4), **kwargs
    )
    learner.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return learner


def episodes():
    generator = np.random.default_rng(0)
    y = np.tile(np.array([0, 1, 2, 0, 1, 2], "int32"), (2, 1))
    x = {
        "support_x": generator.normal(size=(2, 6, 6)).astype("float32"),
        "support_y": y,
        "query_x": generator.normal(size=(2, 6, 6)).astype("float32"),
    }
    return tf.nest.map_structure(tf.constant, x), tf.constant(y)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact(norm):
    learner = learner_with(norm, inner_steps=2)
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_first_order_gradients_do_not_pass_through_the_gradients():
    # The bias of the last layer moves the gradients of later steps, but with
    # constant gradients its own path is the product of the forget gates.
    learner = learner_with("Layer", inner_steps=2, first_order=True)
    for kernel, _ in (
        learner.inner_optimizer.input_gate,
        learner.inner_optimizer.forget_gate,
    ):
        kernel.assign(tf.zeros_like(kernel))
    x, _ = episodes()
    bias = learner.network.trainable_variables[-1]
    with tf.GradientTape() as tape:
        state = learner.adapt(x["support_x"][0], x["support_y"][0])
        total = tf.reduce_sum(state["fast_weights"][-1])
    gradient = tape.gradient(total, bias.value)
    np.testing.assert_allclose(gradient, sigmoid(5.0) ** 2, rtol=1e-5)


def test_save_and_load(tmp_path):
    learner = learner_with("Layer")
    x, query_y = episodes()
    learner.fit(tf.data.Dataset.from_tensors((x, query_y)), verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.inner_optimizer.units == 4
    pairs = zip(
        loaded.inner_optimizer.trainable_variables,
        learner.inner_optimizer.trainable_variables,
        strict=True,
    )
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(learning_rate=1.0), "learning_rate=1.0"),
        (dict(learning_rate=-0.1), "learning_rate=-0.1"),
        (dict(units=0), "units=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        LSTMSteps(**arguments)
    assert str(error.value).endswith(f"Received: {message}")


def test_the_loss_is_needed():
    weights = [tf.zeros([2])]
    optimizer = LSTMSteps()
    optimizer.build_for(weights)
    with pytest.raises(ValueError, match="Received: loss=None"):
        optimizer.step(weights, weights, optimizer.initial_state(weights), 0)
