import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.inner_optimizers.learned_rates import LearnedRates
from kerasmeta.testing.float64 import double_precision

GRANULARITIES = ["weight", "channel", "layer", "layer_step"]


def network(*middle, inputs=6, outputs=3):
    return keras.Sequential(
        [keras.Input((inputs,)), *middle, keras.layers.Dense(outputs)]
    )


def maml(optimizer, *middle, **kwargs):
    learner = km.learners.MAML(
        network(*middle), inner_optimizer=optimizer, **kwargs
    )
    learner.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return learner


def episodes(tasks=2):
    generator = np.random.default_rng(0)
    y = np.tile(np.array([0, 1, 2, 0, 1, 2], "int32"), (tasks, 1))
    x = {
        "support_x": generator.normal(size=(tasks, 6, 6)).astype("float32"),
        "support_y": y,
        "query_x": generator.normal(size=(tasks, 6, 6)).astype("float32"),
    }
    return tf.nest.map_structure(tf.constant, x), tf.constant(y)


@pytest.mark.parametrize("per", GRANULARITIES)
def test_shapes_of_the_rates(per):
    optimizer = LearnedRates(0.3, per=per)
    optimizer.build_for([tf.zeros([4, 2]), tf.zeros([2])], steps=5)
    expected = {
        "weight": [(4, 2), (2,)],
        "channel": [(2,), (2,)],
        "layer": [(), ()],
        "layer_step": [(5,), (5,)],
    }[per]
    assert [tuple(r.shape) for r in optimizer.rates] == expected
    assert len(optimizer.trainable_variables) == 2
    for rates in optimizer.rates:
        np.testing.assert_allclose(rates, 0.3, rtol=1e-6)


def test_each_channel_has_its_rate():
    optimizer = LearnedRates(per="channel")
    weights = [tf.zeros([3, 2]), tf.zeros([2])]
    optimizer.build_for(weights)
    for rates, values in zip(optimizer.rates, ([1.0, 2.0], [3.0, 4.0])):
        rates.assign(values)
    moved, _ = optimizer.step(
        weights, [tf.ones_like(w) for w in weights], [], 0
    )
    np.testing.assert_allclose(moved[0], [[-1, -2]] * 3)
    np.testing.assert_allclose(moved[1], [-3, -4])


@pytest.mark.parametrize("per", GRANULARITIES)
def test_constant_rates_are_gradient_descent(per):
    x, query_y = episodes()
    keras.utils.set_random_seed(0)
    ours = maml(LearnedRates(0.2, per=per), inner_steps=3)
    keras.utils.set_random_seed(0)
    plain = maml(km.inner_optimizers.GradientDescent(0.2), inner_steps=3)
    loss, _, gradients = ours.meta_gradients(x, query_y)
    expected_loss, _, expected = plain.meta_gradients(x, query_y)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    assert len(expected) == 2 < len(gradients)
    for one, other in zip(gradients, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_each_tensor_and_step_has_its_rate():
    optimizer = LearnedRates(per="layer_step")
    optimizer.build_for([tf.zeros([2]), tf.zeros([])], steps=2)
    optimizer.rates[0].assign([0.5, -1.0])  # uphill is allowed
    optimizer.rates[1].assign([2.0, 3.0])
    weights = [tf.constant([1.0, 2.0]), tf.constant(0.0)]
    gradients = [tf.constant([1.0, 4.0]), tf.constant(1.0)]
    first, _ = optimizer.step(weights, gradients, [], 0)
    np.testing.assert_allclose(first[0], [0.5, 0.0])
    np.testing.assert_allclose(first[1], -2.0)
    second, _ = optimizer.step(weights, gradients, [], tf.constant(1))
    np.testing.assert_allclose(second[0], [2.0, 6.0])
    np.testing.assert_allclose(second[1], -3.0)


@pytest.mark.parametrize("unroll", [True, False])
def test_steps_beyond_those_of_training_use_the_last_rates(unroll):
    x, _ = episodes()

    def predictions(rates, inner_steps, test_inner_steps=None):
        keras.utils.set_random_seed(0)
        learner = maml(
            LearnedRates(per="layer_step"),
            inner_steps=inner_steps,
            test_inner_steps=test_inner_steps,
            unroll=unroll,
        )
        for variable in learner.inner_optimizer.rates:
            variable.assign(rates)
        return learner.predict(x, verbose=0)

    np.testing.assert_allclose(
        predictions([0.3, 0.1], 2, test_inner_steps=4),
        predictions([0.3, 0.1, 0.1, 0.1], 4),
        rtol=1e-5,
        atol=1e-6,
    )


def test_gradients_of_the_rates_of_steps_in_numpy():
    # loss(w) = |w - target|^2 / 2: each step shrinks the distance d by a
    # factor (1 - rate_k), so the derivative of |d_K|^2 / 2 with respect to
    # rate_k is -d_0^2 * (1 - rate_k) * prod_{j != k} (1 - rate_j)^2.
    with double_precision():
        optimizer = LearnedRates(per="layer_step")
        start, target = np.array([1.0, -2.0]), np.array([0.5, 3.0])
        optimizer.build_for([tf.constant(start)], steps=3)
        rates = np.array([0.3, 0.6, -0.2])
        optimizer.rates[0].assign(rates)
        with tf.GradientTape() as tape:
            weights = [tf.constant(start)]
            for step in range(3):
                weights, _ = optimizer.step(
                    weights, [weights[0] - target], [], step
                )
            loss = tf.reduce_sum((weights[0] - target) ** 2) / 2
        gradient = tape.gradient(loss, optimizer.rates[0].value)
    factors = 1 - rates
    expected = [
        -np.sum((start - target) ** 2)
        * factors[k]
        * np.prod(np.delete(factors, k)) ** 2
        for k in range(3)
    ]
    np.testing.assert_allclose(gradient, expected, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "per, norm",
    [("layer", "Batch"), ("layer_step", "Batch"), ("layer_step", "Layer")],
)
def test_meta_gradient_is_exact(per, norm):
    layer = getattr(keras.layers, f"{norm}Normalization")()
    learner = maml(
        LearnedRates(0.1, per=per), keras.layers.Dense(5), layer, inner_steps=2
    )
    assert km.testing.verify_meta_gradient(learner, *episodes()) < 1e-5


@pytest.mark.parametrize("unroll", [True, False])
def test_it_compiles_with_xla(unroll):
    learner = maml(
        LearnedRates(0.1, per="layer_step"), inner_steps=3, unroll=unroll
    )
    x, query_y = episodes()
    compiled = tf.function(learner.meta_gradients, jit_compile=True)
    gradients = compiled(x, query_y)[2]
    for one, other in zip(gradients, learner.meta_gradients(x, query_y)[2]):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_save_and_load(tmp_path):
    learner = maml(LearnedRates(0.1, per="layer_step"), inner_steps=2)
    x, query_y = episodes()
    learner.fit(tf.data.Dataset.from_tensors((x, query_y)), verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.inner_optimizer.per == "layer_step"
    for one, other in zip(
        loaded.inner_optimizer.rates, learner.inner_optimizer.rates
    ):
        assert (np.asarray(other) != np.float32(0.1)).any()
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(learning_rate=0), "learning_rate=0"),
        (dict(per="filter"), "per='filter'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        LearnedRates(**arguments)
    assert str(error.value).endswith(f"Received: {message}")


def test_a_schedule_is_refused():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    with pytest.raises(ValueError, match="learning_rate"):
        LearnedRates(schedule)
