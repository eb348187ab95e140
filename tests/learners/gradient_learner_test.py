import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.inner_loss import inner_loss_value

GENERATOR = np.random.default_rng(0)
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def sequential(*middle, outputs=3, shape=(6, 6, 1)):
    return keras.Sequential(
        [keras.Input(shape), *middle, layers.Flatten(), layers.Dense(outputs)]
    )


def episodes(tasks=2, shape=(6, 6, 1)):
    def draw():
        return GENERATOR.normal(size=(tasks, 6, *shape)).astype("float32")

    y = np.tile(np.array([0, 1, 2, 0, 1, 2], "int32"), (tasks, 1))
    x = {"support_x": draw(), "support_y": y, "query_x": draw()}
    return tf.nest.map_structure(tf.constant, x), tf.constant(y)


def compiled(network, loss=CROSSENTROPY, **kwargs):
    learner = km.learners.MAML(
        network, inner_learning_rate=0.1, inner_steps=2, **kwargs
    )
    learner.compile(optimizer="sgd", loss=loss)
    return learner


def predict(learner, x, queries=slice(None)):
    state = learner.adapt(x["support_x"][0], x["support_y"][0])
    return learner.predict_query(state, x["query_x"][0][queries]).numpy()


def batch_norm_network():
    return sequential(
        layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU()
    )


@pytest.mark.parametrize(
    "policy, alone",
    [("transductive", False), ("inductive", True), ("moving", True)],
)
def test_predictions_depend_on_other_queries_only_if_transductive(
    policy, alone
):
    learner = compiled(batch_norm_network(), batch_norm=policy)
    x, _ = episodes()
    together, one = predict(learner, x)[:1], predict(learner, x, slice(1))
    assert np.allclose(together, one, atol=1e-5) == alone


def test_inductive_statistics_are_those_of_the_support_set():
    network = batch_norm_network()
    learner = compiled(network, batch_norm="inductive")
    x, _ = episodes()
    state = learner.adapt(x["support_x"][0], x["support_y"][0])
    kernel, bias = state["fast_weights"][:2]
    features = tf.nn.conv2d(x["support_x"][0], kernel, 1, "VALID") + bias
    mean, variance = tf.nn.moments(features, [0, 1, 2])
    measured = list(state["buffers"].values())
    np.testing.assert_allclose(measured[0], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(measured[1], variance, rtol=1e-4)


@pytest.mark.parametrize("policy", ["inductive", "moving"])
def test_adapted_model_of_a_batch_norm_network_is_the_learner(policy):
    learner = compiled(batch_norm_network(), batch_norm=policy)
    x, _ = episodes()
    model = learner.adapted_model(x["support_x"][0], x["support_y"][0])
    np.testing.assert_allclose(
        model.predict(x["query_x"][0], verbose=0),
        predict(learner, x),
        rtol=1e-4,
        atol=1e-5,
    )
    assert type(model) is keras.Sequential


def features_of(network, x):
    return network.layers[0](tf.concat([x["support_x"], x["query_x"]], 1)[0])


@pytest.mark.parametrize("policy", ["transductive", "inductive", "moving"])
def test_fit_moves_statistics_by_their_momentum(policy):
    network = batch_norm_network()
    learner = compiled(network, batch_norm=policy)
    x, query_y = episodes()
    norm = network.layers[1]
    before = norm.moving_mean.numpy()
    learner.fit(tf.data.Dataset.from_tensors((x, query_y)), verbose=0)
    after = norm.moving_mean.numpy()
    # Two support passes and one of queries move it by 1 % each at the most.
    moved = np.abs(after - before).max()
    assert 0 < moved < 0.03 * np.abs(features_of(network, x)).max()
    learner.evaluate(tf.data.Dataset.from_tensors((x, query_y)), verbose=0)
    np.testing.assert_array_equal(norm.moving_mean, after)


def test_dropout_is_off_outside_of_fit_and_seeds_advance_in_it():
    network = sequential(
        layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Dropout(0.5)
    )
    learner = compiled(network)
    x, query_y = episodes()
    np.testing.assert_array_equal(predict(learner, x), predict(learner, x))
    losses = [float(learner.meta_gradients(x, query_y)[0]) for _ in range(2)]
    assert losses[0] != losses[1]


def test_every_task_has_dropout_masks_of_its_own():
    network = sequential(layers.Dropout(0.5))
    learner = compiled(network)
    x, _ = episodes(tasks=1)
    twice = tf.nest.map_structure(lambda t: tf.repeat(t, 2, axis=0), x)
    predictions = learner(twice, training=True).numpy()
    assert not np.allclose(predictions[0], predictions[1])


def test_set_random_seed_repeats_training_with_dropout():
    x, query_y = episodes()
    data = tf.data.Dataset.from_tensors((x, query_y)).repeat(3)

    def train():
        keras.utils.set_random_seed(3)
        learner = compiled(sequential(layers.Dropout(0.5)))
        learner.fit(data, verbose=0)
        return learner.get_weights()

    for one, other in zip(train(), train()):
        np.testing.assert_array_equal(one, other)


def test_losses_of_the_network_are_those_at_the_fast_weights():
    """MAML with an L2 penalty, by hand in NumPy, on a linear model."""
    network = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(1, use_bias=False, kernel_regularizer="l2"),
        ]
    )
    learner = km.learners.MAML(network, inner_learning_rate=0.1)
    learner.compile(optimizer="sgd", loss="mse")
    w = float(network.get_weights()[0][0, 0])
    a, b = np.array([1.0, 2.0]), np.array([0.5, 3.0])
    c, d = np.array([1.5]), np.array([2.0])
    gradient = np.mean(2 * a * (a * w - b)) + 2 * 0.01 * w
    fast = w - 0.1 * gradient
    expected = np.mean((c * fast - d) ** 2) + 0.01 * fast**2
    x = {
        "support_x": tf.constant(a[None, :, None], "float32"),
        "support_y": tf.constant(b[None, :, None], "float32"),
        "query_x": tf.constant(c[None, :, None], "float32"),
    }
    query_y = tf.constant(d[None, :, None], "float32")
    loss, _, gradients = learner.meta_gradients(x, query_y)
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    slope = 1 - 0.1 * (np.mean(2 * a**2) + 2 * 0.01)
    slope *= np.mean(2 * c * (c * fast - d)) + 2 * 0.01 * fast
    assert float(gradients[0][0, 0]) == pytest.approx(slope, rel=1e-5)


def test_sample_weight_weighs_queries():
    learner = compiled(sequential())
    x, query_y = episodes()
    weights = tf.constant([[1.0, 0, 0, 0, 0, 0]] * 2)
    loss, predictions = learner.meta_loss(x, query_y, weights, training=False)
    expected = CROSSENTROPY(query_y[:, 0], predictions[:, 0]) / 6
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_support_mask_leaves_examples_out():
    learner = compiled(sequential())
    x, _ = episodes(tasks=1)
    mask = tf.constant([True] * 4 + [False] * 2)
    masked = learner.adapt(x["support_x"][0], x["support_y"][0], mask)
    short = learner.adapt(x["support_x"][0][:4], x["support_y"][0][:4])
    for one, other in zip(masked["fast_weights"], short["fast_weights"]):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_network_that_is_frozen_later_does_not_stay_as_it_is_unseen():
    learner = compiled(sequential(layers.Dense(4)))
    x, _ = episodes()
    learner.trainable = False
    with pytest.raises(ValueError, match="frozen since the learner was"):
        learner.adapt(x["support_x"][0], x["support_y"][0])


def test_frozen_layers_stay():
    network = sequential(layers.Dense(4, name="frozen"))
    network.get_layer("frozen").trainable = False
    learner = compiled(network)
    x, query_y = episodes()
    before = network.get_layer("frozen").get_weights()
    learner.fit(tf.data.Dataset.from_tensors((x, query_y)), verbose=0)
    state = learner.adapt(x["support_x"][0], x["support_y"][0])
    assert len(state["fast_weights"]) == 2 and not state["buffers"]
    for one, other in zip(before, network.get_layer("frozen").get_weights()):
        np.testing.assert_array_equal(one, other)


def test_mixed_precision_trains():
    with_policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        learner = compiled(sequential(layers.Conv2D(4, 3)))
        x, query_y = episodes()
        data = tf.data.Dataset.from_tensors((x, query_y)).repeat(3)
        losses = learner.fit(data, verbose=0).history["loss"]
    finally:
        keras.config.set_dtype_policy(with_policy)
    assert np.isfinite(losses).all()


class TwoHeads(keras.Model):
    """A sub-classed network with two inputs and two outputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.shared = layers.Dense(8, "tanh")
        self.one, self.two = layers.Dense(1), layers.Dense(2)

    def call(self, inputs):
        hidden = self.shared(inputs["a"] + inputs["b"])
        return {"one": self.one(hidden), "two": self.two(hidden)}


def test_several_inputs_and_outputs():
    network = TwoHeads()
    a = GENERATOR.normal(size=(2, 5, 3)).astype("float32")
    inputs = {"a": tf.constant(a), "b": tf.constant(a * 2)}
    network(tf.nest.map_structure(lambda t: t[0], inputs))
    targets = {
        "one": tf.constant(a[..., :1]),
        "two": tf.constant(a[..., :2]),
    }
    learner = compiled(
        network, loss={"one": "mse", "two": "mae"}, batch_norm="moving"
    )
    x = {"support_x": inputs, "support_y": targets, "query_x": inputs}
    data = tf.data.Dataset.from_tensors((x, targets)).repeat(30)
    losses = learner.fit(data, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    predictions = learner.predict(data.take(1), verbose=0)
    assert predictions["two"].shape == (2, 5, 2)


BAD = {
    "unbuilt network": (
        dict(network=keras.Sequential([layers.Dense(1)])),
        "keras.Input",
    ),
    "not a model": (dict(network="mlp"), "network='mlp' of type str"),
    "rate": (dict(inner_learning_rate=-1), "inner_learning_rate|learning_rate"),
    "steps": (dict(inner_steps=0), "Received: inner_steps=0"),
    "optimizer": (dict(inner_optimizer="sgd"), "inner_optimizer='sgd'"),
    "policy": (dict(batch_norm="none"), "Received: batch_norm='none'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case):
    arguments, message = BAD[case]
    arguments = {"network": sequential(), **arguments}
    with pytest.raises(ValueError, match=message):
        km.learners.MAML(**arguments)


def test_head_of_the_wrong_width():
    spec = km.episodes.EpisodeSpec(ways=4, shots=1, queries=1)
    x, y = GENERATOR.normal(size=(20, 6, 6, 1)), np.repeat(np.arange(5), 4)
    data = km.episodes.episodes_from_arrays(x, y, spec, num_episodes=4)
    for outputs in (3, 5):
        learner = compiled(sequential(outputs=outputs))
        with pytest.raises(ValueError, match=f"width {outputs}.*ways=4"):
            learner.fit(data)


def test_inner_loop_without_a_loss():
    learner = km.learners.MAML(sequential())
    x, _ = episodes()
    with pytest.raises(ValueError, match="inner_loss"):
        learner.adapt(x["support_x"][0], x["support_y"][0])


def test_the_example_everyone_starts_with():
    """Binary labels of shape (n, 1), a sigmoid, `binary_crossentropy`."""
    network = keras.Sequential(
        [
            keras.Input((10,)),
            layers.Dense(64, "relu"),
            layers.Dense(32, "relu"),
            layers.Dense(1, "sigmoid"),
        ]
    )

    def hyperplane(seed):
        numbers = tf.random.stateless_normal([61, 10], seed)
        normal, x = numbers[:1], numbers[1:]
        y = tf.cast(x @ tf.transpose(normal) > 0, "int32")
        support = {"support_x": x[:40], "support_y": y[:40]}
        return {**support, "query_x": x[40:]}, y[40:]

    build = km.episodes.episodes_from_function
    learner = km.learners.MAML(network, inner_learning_rate=0.1, inner_steps=3)
    learner.compile(
        optimizer=keras.optimizers.Adam(3e-3),
        loss="binary_crossentropy",
        metrics=["accuracy"],
    )
    learner.fit(build(hyperplane, 16), steps_per_epoch=300, verbose=0)
    test = build(hyperplane, 16, seed=1, num_episodes=64)
    logs = learner.evaluate(test, return_dict=True, verbose=0)
    x, query_y = next(iter(test))
    unadapted = network.predict(tf.reshape(x["query_x"], [-1, 10]), verbose=0)
    chance = np.mean((unadapted > 0.5) == tf.reshape(query_y, [-1, 1]))
    assert logs["accuracy"] > 0.7 > 0.6 > chance


def test_adapted_model_of_a_subclassed_network_with_a_frozen_layer():
    network = TwoHeads()
    a = GENERATOR.normal(size=(1, 5, 3)).astype("float32")
    inputs = {"a": tf.constant(a), "b": tf.constant(a * 2)}
    network(tf.nest.map_structure(lambda t: t[0], inputs))
    network.shared.trainable = False
    targets = {"one": tf.constant(a[..., :1]), "two": tf.constant(a[..., :2])}
    learner = compiled(network, loss={"one": "mse", "two": "mae"})
    x = {"support_x": inputs, "support_y": targets, "query_x": inputs}
    data = tf.data.Dataset.from_tensors((x, targets))
    learner.fit(data, verbose=0)
    task = tf.nest.map_structure(lambda t: t[0], x)
    model = learner.adapted_model(task["support_x"], task["support_y"])
    expected = learner.predict(data, verbose=0)
    for name, value in model.predict(task["query_x"], verbose=0).items():
        np.testing.assert_allclose(value, expected[name][0], rtol=1e-4)
    assert not model.shared.trainable


def test_custom_loss_on_integer_labels():
    def loss(y, y_pred):
        return tf.reduce_mean(tf.square(y - y_pred), axis=-1)

    learner = compiled(sequential(outputs=1), loss=loss)
    x, query_y = episodes()
    x["support_y"] = tf.minimum(x["support_y"], 1)[..., None]
    data = tf.data.Dataset.from_tensors((x, tf.minimum(query_y, 1)[..., None]))
    assert np.isfinite(learner.fit(data, verbose=0).history["loss"]).all()


def test_half_precision_outputs_have_a_full_precision_inner_loss():
    y = tf.constant([[0.0], [1.0]])
    y_pred = tf.constant([[0.0], [1000.0]], "float16")
    for loss in ("mse", keras.losses.MeanSquaredError()):
        value = float(inner_loss_value(loss, None, y, y_pred))
        assert value == pytest.approx(999.0**2 / 2)


def test_compiling_again_forgets_old_intervals():
    learner = compiled(sequential())
    x, query_y = episodes()
    data = tf.data.Dataset.from_tensors((x, query_y))
    for metric in ("accuracy", "sparse_categorical_crossentropy"):
        learner.compile(loss=CROSSENTROPY, metrics=[metric])
        logs = learner.evaluate(data, return_dict=True, verbose=0)
        assert set(logs) == {"loss", metric, f"{metric}_ci95"}


def test_fractions_are_not_cut_off_labels():
    learner = compiled(sequential())
    x, query_y = episodes()
    learner.fit(tf.data.Dataset.from_tensors((x, query_y)), verbose=0)
    with pytest.raises(ValueError, match="cut off"):
        learner.adapted_model(x["support_x"][0], [0.5, 1, 2, 0, 1, 2])
