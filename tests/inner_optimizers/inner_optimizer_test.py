"""Clipping and schedules, which all inner optimizers have from their base."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GradientDescent = km.inner_optimizers.GradientDescent
LIMITS = [{"clipnorm": 0.7}, {"clipvalue": 0.3}, {"global_clipnorm": 0.9}]


def draw(seed):
    generator = np.random.default_rng(seed)
    # The second gradient is short, so that a limit of its own leaves it alone.
    return [
        generator.normal(size=(3, 4)).astype("float32"),
        0.1 * generator.normal(size=(4,)).astype("float32"),
    ]


def schedule():
    return keras.optimizers.schedules.PolynomialDecay(0.5, 4, 0.1)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: next(iter(limit)))
def test_clipping_is_that_of_keras(limit):
    ours = GradientDescent(0.1, **limit)
    theirs = keras.optimizers.SGD(0.1, **limit)
    unlimited = GradientDescent(0.1)
    variables = [keras.Variable(w) for w in draw(0)]
    weights = free = [tf.constant(w) for w in draw(0)]
    for step in range(4):
        gradients = [tf.constant(g) for g in draw(step + 1)]
        weights, _ = ours.apply(weights, gradients, [], step)
        free, _ = unlimited.apply(free, gradients, [], step)
        theirs.apply(gradients, variables)
    for one, other in zip(weights, variables):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-5, atol=1e-6)
    assert np.abs(weights[0] - free[0]).max() > 0.01


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: next(iter(limit)))
def test_small_and_zero_gradients_pass_unchanged(limit):
    optimizer = GradientDescent(0.1, **limit)
    small = [tf.constant([[0.1, -0.2]]), tf.constant([0.05])]
    for one, other in zip(optimizer.clip(small), small):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    zero = tf.zeros([3])
    with tf.GradientTape() as tape:
        tape.watch(zero)
        (clipped,) = optimizer.clip([zero])
    np.testing.assert_array_equal(clipped, 0.0)
    np.testing.assert_array_equal(tape.gradient(clipped, zero), 1.0)


@pytest.mark.parametrize("as_tensor", [False, True])
def test_a_schedule_gives_the_rate_of_each_inner_step(as_tensor):
    optimizer = GradientDescent(schedule())
    for step in range(6):
        number = tf.constant(step) if as_tensor else step
        (moved,), _ = optimizer.apply([tf.zeros([])], [tf.ones([])], [], number)
        np.testing.assert_allclose(moved, -schedule()(step), rtol=1e-6)


def learner_with(optimizer, norm, **kwargs):
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
        network, inner_steps=3, inner_optimizer=optimizer, **kwargs
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
@pytest.mark.parametrize(
    "arguments, norm",
    [
        ({"clipnorm": 0.2}, "Batch"),
        ({"clipvalue": 0.05}, "Layer"),
        ({"global_clipnorm": 0.2}, "Batch"),
        ({"learning_rate": schedule()}, "Layer"),
    ],
)
def test_outer_gradients_are_exact(arguments, norm):
    learner = learner_with(
        GradientDescent(**{"learning_rate": 0.5, **arguments}), norm
    )
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


def test_a_schedule_in_a_loop_is_that_of_unrolled_steps():
    x, _ = episodes()
    predictions = []
    for unroll in (True, False):
        keras.utils.set_random_seed(0)
        learner = learner_with(
            GradientDescent(schedule()), "Layer", unroll=unroll
        )
        predictions.append(learner.predict(x, verbose=0))
    np.testing.assert_allclose(*predictions, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [*LIMITS, {"learning_rate": schedule()}],
    ids=lambda arguments: next(iter(arguments)),
)
def test_configuration(arguments):
    optimizer = GradientDescent(**arguments)
    config = keras.saving.serialize_keras_object(optimizer)
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == optimizer.get_config()
    gradients = [tf.constant(g) for g in draw(0)]
    moved = [o.apply(gradients, gradients, [], 2)[0] for o in (optimizer, copy)]
    for one, other in zip(*moved):
        np.testing.assert_array_equal(one, other)


def test_a_file_keeps_schedule_and_limit(tmp_path):
    learner = learner_with(GradientDescent(schedule(), clipnorm=0.5), "Layer")
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.inner_optimizer.clipnorm == 0.5
    assert float(loaded.inner_optimizer.rate_at(4)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"clipnorm": 0}, "clipnorm=0"),
        ({"clipvalue": -1}, "clipvalue=-1"),
        ({"global_clipnorm": "1"}, "global_clipnorm='1'"),
        ({"learning_rate": None}, "learning_rate=None"),
        (
            {"clipnorm": 1, "clipvalue": 2},
            "{'clipnorm': 1, 'clipvalue': 2}",
        ),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        GradientDescent(**arguments)
    assert str(error.value).endswith(f"Received: {message}")


def test_weights_belong_to_one_learner():
    def learner(optimizer):
        network = km.backbones.mlp((1,), 1, units=(4,))
        return km.learners.MAML(network, inner_optimizer=optimizer)

    plain = GradientDescent(0.1)
    learner(plain)
    learner(plain)
    learned = km.inner_optimizers.LearnedRates(0.1)
    learner(learned)
    with pytest.raises(ValueError, match="belongs to one learner"):
        learner(learned)
