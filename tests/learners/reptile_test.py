"""Reptile: the meta-gradient is where tasks start minus where they end."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.reptile import Reptile
from kerasmeta.learners.reptile import _mini_batches


def network(*middle):
    return keras.Sequential(
        [keras.Input((4,)), *middle, layers.Dense(2, use_bias=False)]
    )


def compiled(net, optimizer=None, **kwargs):
    learner = Reptile(net, **{"inner_learning_rate": 0.1, **kwargs})
    learner.compile(optimizer or keras.optimizers.SGD(0.5), "mse")
    return learner


def episodes(tasks=3, examples=6):
    generator = np.random.default_rng(0)

    def draw(examples, width):
        values = generator.normal(size=(tasks, examples, width))
        return tf.constant(values, "float32")

    x = {"support_x": draw(examples, 4), "support_y": draw(examples, 2)}
    return {**x, "query_x": draw(5, 4)}, draw(5, 2)


def ends(kernel, episodes, steps, rate=0.1, rows=None):
    """Where plain gradient descent on a linear network ends, in NumPy."""
    arrived = []
    for x, y in zip(episodes["support_x"], episodes["support_y"]):
        weights = kernel.astype("float64")
        for step in range(steps):
            chosen = slice(None) if rows is None else rows[step]
            a, b = x.numpy()[chosen], y.numpy()[chosen]
            error = a @ weights - b
            weights = weights - rate * 2 / error.size * a.T @ error
        arrived.append(weights)
    return np.stack(arrived)


def as_graph(learner, compiled_graph):
    run = learner.meta_gradients
    return tf.function(run) if compiled_graph else run


@pytest.mark.parametrize("compiled_graph", [False, True])
@pytest.mark.parametrize("options", [{}, {"unroll": False}])
def test_meta_gradient_is_start_minus_end(compiled_graph, options):
    net = network()
    learner = compiled(net, inner_steps=5, **options)
    x, query_y = episodes()
    (kernel,) = net.get_weights()
    arrived = ends(kernel, x, steps=5)
    loss, query_pred, (gradient,) = as_graph(learner, compiled_graph)(
        x, query_y
    )
    expected = kernel - arrived.mean(axis=0)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)
    # The queries are predicted, and judged, where the tasks ended.
    expected = x["query_x"] @ arrived.astype("float32")
    np.testing.assert_allclose(query_pred, expected, rtol=1e-4, atol=1e-5)
    expected = np.mean(np.square(query_pred - query_y))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_one_full_step_is_the_gradient_of_the_support_loss():
    net = network(layers.Dense(3, "tanh"), layers.Dense(3))
    learner = compiled(net)
    x, query_y = episodes()
    with tf.GradientTape() as tape:
        outputs = net(tf.reshape(x["support_x"], [-1, 4]))
        errors = outputs - tf.reshape(x["support_y"], [-1, 2])
        loss = tf.reduce_mean(errors**2)
    expected = tape.gradient(loss, net.trainable_variables)
    for one, other in zip(learner.meta_gradients(x, query_y)[2], expected):
        np.testing.assert_allclose(one, 0.1 * other, rtol=1e-4, atol=1e-6)


def test_outer_sgd_moves_towards_the_ends():
    net = network()
    learner = compiled(net, inner_steps=4)
    (kernel,) = net.get_weights()
    x, query_y = episodes()
    arrived = ends(kernel, x, steps=4).mean(axis=0)
    learner.fit(tf.data.Dataset.from_tensors((x, query_y)), verbose=0)
    expected = kernel + 0.5 * (arrived - kernel)
    np.testing.assert_allclose(net.get_weights()[0], expected, rtol=1e-4)


def test_a_scaled_loss_moves_as_far():
    x, query_y = episodes()
    gradients = []
    for optimizer in (
        keras.optimizers.SGD(0.5),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), 8.0),
    ):
        net = network()
        net.set_weights([np.ones((4, 2))])
        learner = compiled(net, optimizer)
        learner.fit(tf.data.Dataset.from_tensors((x, query_y)), verbose=0)
        gradients.append(net.get_weights()[0])
    np.testing.assert_allclose(*gradients, rtol=1e-5)


def test_the_inner_loop_has_mini_batches_of_its_own():
    net = network()
    learner = compiled(net, inner_steps=5, inner_batch_size=4, seed=3)
    x, _ = episodes(tasks=1)
    (kernel,) = net.get_weights()
    rows = _mini_batches([0, 0], 6, None, 5, 4).numpy()
    state = learner.adapt(x["support_x"][0], x["support_y"][0])
    np.testing.assert_allclose(
        state["fast_weights"][0],
        ends(kernel, x, steps=5, rows=rows)[0],
        rtol=1e-4,
        atol=1e-6,
    )


def test_orders_follow_the_seed_the_step_and_the_task():
    # Two tasks alike, which differ in nothing but their mini-batches.
    x, query_y = tf.nest.map_structure(
        lambda t: tf.concat([t, t], axis=0), episodes(tasks=1)
    )
    net = network()

    def predictions(seed):
        learner = compiled(net, inner_batch_size=2, inner_steps=2, seed=seed)
        run = tf.function(learner.meta_gradients)
        return [run(x, query_y)[1].numpy() for _ in range(2)]

    first, second = predictions(1)
    assert not np.allclose(first[0], first[1])
    assert not np.allclose(first, second)
    again = predictions(1)
    np.testing.assert_array_equal(again, [first, second])
    assert not np.allclose(predictions(2), again)


@pytest.mark.parametrize("batch_size", [1, 4, 7, 20])
def test_mini_batches_go_through_one_order_after_another(batch_size):
    rows = _mini_batches([1, 2], 7, None, 14, batch_size).numpy()
    assert rows.shape == (14, batch_size)
    orders = rows.ravel()[: rows.size // 7 * 7].reshape(-1, 7)
    np.testing.assert_array_equal(
        np.sort(orders), np.tile(np.arange(7), (len(orders), 1))
    )
    assert len(np.unique(orders, axis=0)) > 1


def test_with_replacement_each_mini_batch_is_drawn_anew():
    rows = _mini_batches([1, 2], 5, None, 2000, 2, replacement=True).numpy()
    assert (rows[:, 0] != rows[:, 1]).all()
    # Each ordered pair of different examples, whatever was drawn before.
    pairs = np.zeros((5, 5))
    np.add.at(pairs, tuple(rows.T), 1 / 2000)
    expected = (1 - np.eye(5)) / 20
    np.testing.assert_allclose(pairs, expected, atol=0.02)
    shared = [len({*a} & {*b}) for a, b in zip(rows[:-1], rows[1:])]
    assert np.mean(shared) == pytest.approx(2 * 2 / 5, abs=0.05)
    again = _mini_batches([1, 2], 5, None, 2000, 2, replacement=True)
    np.testing.assert_array_equal(rows, again)


def test_too_large_a_mini_batch_repeats_examples_evenly():
    rows = _mini_batches([1, 2], 3, None, 4, 6, replacement=True).numpy()
    for row in rows:
        np.testing.assert_array_equal(np.sort(row), [0, 0, 1, 1, 2, 2])


def test_the_inner_loop_draws_with_replacement():
    net = network()
    learner = compiled(net, inner_steps=5, inner_batch_size=4, replacement=True)
    copy = Reptile.from_config(learner.get_config())
    assert copy.replacement
    x, _ = episodes(tasks=1)
    rows = _mini_batches([0, 0], 6, None, 5, 4, True).numpy()
    state = learner.adapt(x["support_x"][0], x["support_y"][0])
    np.testing.assert_allclose(
        state["fast_weights"][0],
        ends(*net.get_weights(), x, steps=5, rows=rows)[0],
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("replacement", [False, True])
def test_padding_is_never_drawn(replacement):
    mask = np.array([True, False, True, True, False])
    rows = _mini_batches([1, 2], 5, tf.constant(mask), 9, 2, replacement)
    rows = rows.numpy()
    if replacement:
        assert set(rows.ravel()) == {0, 2, 3}
        assert (rows[:, 0] != rows[:, 1]).all()
        return
    np.testing.assert_array_equal(
        np.sort(rows.reshape(-1, 3)), np.tile([0, 2, 3], (6, 1))
    )


def test_padding_teaches_nothing():
    x, query_y = episodes()
    mask = tf.constant([[True, True, False, True, False, False]] * 3)
    spoiled = tf.where(mask[..., None], x["support_y"], 1e6)
    learner = compiled(network(), inner_batch_size=4, inner_steps=6, seed=0)
    results = []
    for y in (x["support_y"], spoiled):
        learner._order_seed.state.assign([0, 0])
        run = tf.function(learner.meta_gradients)
        data = {**x, "support_y": y, "support_mask": mask}
        results.append(run(data, query_y)[2][0])
    np.testing.assert_allclose(*results, rtol=1e-5)


@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_adam_without_momentum_moves_every_weight(norm):
    layer = getattr(layers, f"{norm}Normalization")()
    net = network(layers.Dense(5), layer, layers.Activation("tanh"))
    adam = km.inner_optimizers.Adam(0.01, beta_1=0)
    learner = compiled(
        net, inner_optimizer=adam, inner_steps=3, inner_batch_size=3
    )
    gradients = tf.function(learner.meta_gradients)(*episodes())[2]
    for gradient in gradients:
        assert np.isfinite(gradient).all() and np.any(gradient)


def test_dropout_and_statistics_advance_once():
    net = network(layers.BatchNormalization(), layers.Dropout(0.5))
    learner = compiled(net)
    seed = [v for v in learner.variables if "seed" in v.name]
    before = [v.numpy() for v in [*seed, net.layers[0].moving_mean]]
    learner.meta_gradients(*episodes())
    after = [v.numpy() for v in [*seed, net.layers[0].moving_mean]]
    assert len(seed) == 2
    assert not any(map(np.array_equal, before, after))


def test_save_and_load(tmp_path):
    learner = compiled(network(), inner_batch_size=2, inner_steps=3, seed=7)
    data = tf.data.Dataset.from_tensors(episodes())
    learner.fit(data, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert (loaded.inner_batch_size, loaded.seed) == (2, 7)
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
    )


def test_training_goes_on_from_a_file_as_without_one(tmp_path):
    """With the orders of mini-batches and the dropout that were next."""
    net = network(layers.Dropout(0.5))
    learner = compiled(net, inner_batch_size=2, inner_steps=3)
    data = tf.data.Dataset.from_tensors(episodes())
    learner.fit(data, verbose=0)
    learner.save(tmp_path / "learner.keras")
    learner.save_weights(tmp_path / "learner.weights.h5")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    reset = compiled(network(layers.Dropout(0.5)), inner_batch_size=2)
    reset.load_weights(tmp_path / "learner.weights.h5")
    for one, two, three in zip(
        learner.variables, loaded.variables, reset.variables, strict=True
    ):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)
    learner.fit(data, verbose=0)
    loaded.fit(data, verbose=0)
    for one, two in zip(learner.get_weights(), loaded.get_weights()):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


@keras.saving.register_keras_serializable(package="reptile_test")
class Learned(km.inner_optimizers.InnerOptimizer):
    def build_for(self, weights, steps=1):
        self.rate = self.add_weight(shape=(), initializer="ones")
        super().build_for(weights, steps)

    def step(self, weights, gradients, state, step, loss=None):
        return [w - self.rate * g for w, g in zip(weights, gradients)], state


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"inner_batch_size": 0}, "Received: inner_batch_size=0"),
        ({"inner_batch_size": 2.5}, "Received: inner_batch_size=2.5"),
        ({"replacement": True}, "Received: replacement=True"),
        ({"inner_optimizer": Learned()}, "`Reptile` does not differentiate"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        Reptile(network(), **kwargs)
