"""Every kind of fast weights with every inner optimizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

io = km.inner_optimizers
OPTIMIZERS = {
    "GradientDescent": lambda: io.GradientDescent(0.1),
    "scheduled": lambda: io.GradientDescent(
        keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    ),
    "clipped": lambda: io.GradientDescent(0.1, global_clipnorm=0.1),
    "clipnorm": lambda: io.GradientDescent(0.1, clipnorm=0.05),
    "clipvalue": lambda: io.GradientDescent(0.1, clipvalue=0.02),
    "Momentum": lambda: io.Momentum(0.1),
    "Nesterov": lambda: io.Momentum(0.1, nesterov=True),
    "Adam": lambda: io.Adam(0.05),
    "RMSprop": lambda: io.RMSprop(0.05),
    "weight rates": lambda: io.LearnedRates(0.1, per="weight"),
    "channel rates": lambda: io.LearnedRates(0.1, per="channel"),
    "layer rates": lambda: io.LearnedRates(0.1, per="layer"),
    "step rates": lambda: io.LearnedRates(0.1, per="layer_step"),
    "Curvature": lambda: io.Curvature(0.1),
    "GeneratedRates": lambda: io.GeneratedRates(0.1),
    "LSTMSteps": lambda: io.LSTMSteps(),
}


def network(outputs):
    return keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(6, "tanh"),
            keras.layers.Dense(outputs),
        ]
    )


def network_with_context():
    x, context = keras.Input((4,)), keras.Input((2,))
    both = keras.layers.Concatenate()([x, context])
    hidden = keras.layers.Dense(6, "tanh")(both)
    return keras.Model([x, context], keras.layers.Dense(3)(hidden))


LEARNERS = {
    "MAML": lambda **k: km.learners.MAML(network(3), **k),
    "ANIL": lambda **k: km.learners.ANIL(network(3), **k),
    "BOIL": lambda **k: km.learners.BOIL(network(3), **k),
    "CAVIA": lambda **k: km.learners.CAVIA(network_with_context(), **k),
    "ProtoMAML": lambda **k: km.learners.ProtoMAML(network(5), ways=3, **k),
}


def one_batch():
    generator = np.random.default_rng(0)
    x = tf.constant(generator.normal(size=(2, 2, 6, 4)), "float32")
    y = tf.constant([[0, 1, 2, 0, 1, 2]] * 2)
    return {"support_x": x[0], "support_y": y, "query_x": x[1]}, y


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def made(name, optimizer, **kwargs):
    """Return a learner whose optimizer is not where it begins.

    There some of its weights are multiplied by zeros, or feed a unit that is
    off.
    """
    learner = LEARNERS[name](
        inner_steps=2, inner_optimizer=OPTIMIZERS[optimizer](), **kwargs
    )
    learner.compile(keras.optimizers.SGD(0.1), LOSS)
    generator = np.random.default_rng(0)
    for variable in learner.inner_optimizer.trainable_variables:
        variable.assign_add(generator.uniform(0.01, 0.05, variable.shape))
    return learner


def distance(ones, others):
    return max(np.abs(a - b).max() for a, b in zip(ones, others, strict=True))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", LEARNERS)
def test_they_go_together(name, optimizer):
    learner = made(name, optimizer, test_inner_steps=3)
    x, y = one_batch()
    support = x["support_x"][0], y[0]
    start = learner.initial_fast_weights(*support)
    moved = learner.adapt(*support)["fast_weights"]
    two_steps = learner.adapt(*support, training=True)["fast_weights"]
    assert distance(start, two_steps) > 1e-5
    assert distance(two_steps, moved) > 1e-5
    gradients = tf.function(learner.meta_gradients)(x, y)[2]
    for variable, gradient in zip(learner.trainable_variables, gradients):
        assert gradient is not None, variable.path
        assert np.isfinite(gradient).all(), variable.path
        assert np.any(gradient), variable.path
    copy = type(learner).from_config(learner.get_config())
    copy.compile(loss=LOSS)
    copy.set_weights(learner.get_weights())
    for one, other in zip(copy.adapt(*support)["fast_weights"], moved):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("clipping", ["clipped", "clipnorm", "clipvalue"])
def test_the_clipped_ones_are_clipped(clipping):
    x, y = one_batch()
    ends = []
    for optimizer in ("GradientDescent", clipping):
        keras.utils.set_random_seed(0)
        learner = made("MAML", optimizer)
        ends.append(learner.adapt(x["support_x"][0], y[0])["fast_weights"])
    assert distance(*ends) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", LEARNERS)
def test_meta_gradients_are_exact(name, optimizer):
    learner = made(name, optimizer)
    error = km.testing.verify_meta_gradient(learner, *one_batch(), directions=1)
    assert error < 1e-5
