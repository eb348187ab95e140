import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.inner_optimizers.generated_rates import GeneratedRates
from kerasmeta.testing.float64 import double_precision

SHAPES = [(2, 3), (3,), ()]


def randomized(optimizer, seed=0):
    generator = np.random.default_rng(seed)
    for variable in optimizer.trainable_variables:
        variable.assign_add(0.3 * generator.normal(size=variable.shape))
    return optimizer


def numpy_step(optimizer, weights, gradients, row):
    """One step in the formulas of the paper."""
    means = np.array([np.mean(t) for t in [*weights, *gradients]])
    kernel, bias, last_kernel, last_bias = [
        v.numpy() for v in optimizer.generator.weights
    ]
    hidden = np.maximum(means @ kernel + bias, 0)
    multipliers = hidden @ last_kernel + last_bias
    rates, decays = optimizer.rates.numpy()[row], optimizer.decays.numpy()[row]
    moved = []
    for k, (w, g) in enumerate(zip(weights, gradients)):
        alpha = rates[k] * multipliers[k]
        beta = 1 - decays[k] * multipliers[len(weights) + k]
        moved.append(beta * w - alpha * g)
    return moved


@pytest.mark.parametrize("step, row", [(0, 0), (1, 1), (2, 1), (9, 1)])
def test_step_equals_numpy(step, row):
    with double_precision():
        generator = np.random.default_rng(1)
        weights = [generator.normal(size=s) for s in SHAPES]
        gradients = [generator.normal(size=s) for s in SHAPES]
        optimizer = GeneratedRates(0.1, 0.5)
        optimizer.build_for([tf.constant(w) for w in weights], steps=2)
        randomized(optimizer)
        for number in (step, tf.constant(step)):
            moved, _ = optimizer.step(
                [tf.constant(w) for w in weights],
                [tf.constant(g) for g in gradients],
                [],
                number,
            )
            expected = numpy_step(optimizer, weights, gradients, row)
            for one, other in zip(moved, expected):
                np.testing.assert_allclose(one, other, rtol=1e-12)


def learner_with(optimizer, norm="Layer", **kwargs):
    keras.utils.set_random_seed(0)
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
        network, inner_optimizer=optimizer, inner_steps=2, **kwargs
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


def test_multipliers_of_one_are_gradient_descent():
    x, query_y = episodes()
    ours = learner_with(GeneratedRates(0.2, weight_decay=0.0))
    plain = learner_with(km.inner_optimizers.GradientDescent(0.2))
    loss, _, gradients = ours.meta_gradients(x, query_y)
    expected_loss, _, expected = plain.meta_gradients(x, query_y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    for one, other in zip(gradients, expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_it_begins_with_the_decay_of_keras():
    weights = [tf.constant([1.0, -2.0]), tf.constant([[3.0]])]
    gradients = [tf.constant([0.5, 0.1]), tf.constant([[1.0]])]
    optimizer = GeneratedRates(0.1, weight_decay=0.2)
    optimizer.build_for(weights)
    moved, _ = optimizer.step(weights, gradients, [], 0)
    variables = [keras.Variable(w) for w in weights]
    keras.optimizers.SGD(0.1, weight_decay=0.2).apply(gradients, variables)
    for one, other in zip(moved, variables):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact(norm):
    learner = learner_with(GeneratedRates(0.1, 0.1), norm)
    randomized(learner.inner_optimizer)
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


@pytest.mark.parametrize("unroll", [True, False])
def test_test_steps_beyond_those_of_training(unroll):
    learner = learner_with(
        GeneratedRates(0.1, 0.1), test_inner_steps=4, unroll=unroll
    )
    optimizer = randomized(learner.inner_optimizer)
    assert optimizer.rates.shape == (2, 6)
    x, _ = episodes()
    four = km.learners.MAML(
        learner.network, inner_optimizer=GeneratedRates(0.1), inner_steps=4
    )
    four.compile(loss=learner.loss)
    row = [0, 1, 1, 1]
    four.inner_optimizer.rates.assign(optimizer.rates.numpy()[row])
    four.inner_optimizer.decays.assign(optimizer.decays.numpy()[row])
    four.inner_optimizer.generator.set_weights(
        optimizer.generator.get_weights()
    )
    np.testing.assert_allclose(
        learner.predict(x, verbose=0),
        four.predict(x, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_save_and_load(tmp_path):
    learner = learner_with(GeneratedRates(0.1, 0.1))
    randomized(learner.inner_optimizer)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.inner_optimizer.weight_decay == 0.1
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
        (dict(learning_rate=0), "learning_rate=0"),
        (dict(weight_decay=1.0), "weight_decay=1.0"),
        (dict(weight_decay=-0.1), "weight_decay=-0.1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        GeneratedRates(**arguments)
    assert str(error.value).endswith(f"Received: {message}")
