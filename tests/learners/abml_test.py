import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.abml import ABML
from kerasmeta.learners.normal_weights import draw_weights
from kerasmeta.learners.normal_weights import normal_divergence
from kerasmeta.learners.several_predictions import mean_prediction
from kerasmeta.testing.float64 import double_precision

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@pytest.fixture(autouse=True)
def same_weights_every_time():
    keras.utils.set_random_seed(0)


def network(*middle, outputs=3):
    stack = [keras.Input((4,)), layers.Dense(5), *middle]
    return keras.Sequential(
        [*stack, layers.Activation("tanh"), layers.Dense(outputs)]
    )


def episodes(tasks=2, **masks):
    generator = np.random.default_rng(0)

    def draw():
        return tf.constant(generator.normal(size=(tasks, 6, 4)), "float32")

    y = tf.constant(np.tile([0, 1, 2, 0, 1, 2], (tasks, 1)), "int32")
    x = {"support_x": draw(), "support_y": y, "query_x": draw()}
    return {**x, **masks}, y


def abml(model=None, loss=CROSSENTROPY, **kwargs):
    learner = ABML(
        network() if model is None else model,
        **{
            "inner_learning_rate": 0.1,
            "inner_steps": 2,
            "samples": 2,
            "from_logits": loss is CROSSENTROPY,
            **kwargs,
        },
    )
    learner.compile(optimizer=keras.optimizers.SGD(0.1), loss=loss)
    return learner


def random_distribution(seed):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=s) for s in [(3, 2), (2,), (3, 2), (2,)]]


def test_divergence_is_that_of_normal_distributions():
    q, p = random_distribution(0), random_distribution(1)
    expected = 0.0
    for i in (0, 1):
        deviation, prior = np.exp(q[i + 2]), np.exp(p[i + 2])
        expected += np.sum(
            np.log(prior / deviation)
            + (deviation**2 + (q[i] - p[i]) ** 2) / (2 * prior**2)
            - 0.5
        )
    q, p = ([tf.constant(t) for t in d] for d in (q, p))
    np.testing.assert_allclose(normal_divergence(q, p), expected, rtol=1e-12)
    assert normal_divergence(p, p) == 0


def test_draws_have_the_moments_of_their_distribution():
    mean, log = tf.fill([20_000], 3.0), tf.fill([20_000], np.log(0.5))
    log = tf.cast(log, "float32")
    draws = [
        np.array(draw[0])
        for seed, step in [((0, 0), 0), ((1, 0), 0), ((0, 1), 0), ((0, 0), 1)]
        for draw in draw_weights([mean, log], seed, step, 2)
    ]
    for draw in draws:
        noise = (draw - 3) / 0.5
        moments = [np.mean(noise**power) for power in (1, 2, 3, 4)]
        np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.2)
    # Draws, seeds and steps have noise of their own.
    others = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(others).max() < 0.04
    again = draw_weights([mean, log], (0, 0), 0, 2)[0][0]
    np.testing.assert_array_equal(again, draws[0])


def test_with_tiny_deviations_it_is_maml():
    model = network(layers.BatchNormalization())
    # Without the support set and the prior, only the queries count.
    learner = abml(model, kl_weight=0, initial_deviation=1e-7)
    maml = km.learners.MAML(model, 0.1, inner_steps=2)
    maml.compile(loss=CROSSENTROPY)
    x, y = episodes()
    expected = tf.nn.log_softmax(maml(x))
    np.testing.assert_allclose(learner(x), expected, rtol=1e-4, atol=1e-5)
    bound = learner.meta_loss(x, y)[0] - maml.meta_loss(x, y)[0]
    support = {**x, "query_x": x["support_x"]}
    expected = maml.meta_loss(support, x["support_y"])[0]
    np.testing.assert_allclose(bound, expected, rtol=1e-4)


def test_outer_loss_is_the_evidence_bound():
    model = network()
    learner = abml(model, kl_weight=0.3, initial_deviation=0.2)
    x, y = episodes(tasks=1)
    loss, _ = learner.meta_loss(x, y)
    # The same noise, by hand.
    task = {"task": tf.constant(0), **{k: v[0] for k, v in x.items()}}
    buffers = {"noise": [*np.array(learner.noise_generator.state)]}
    buffers["noise"][1] -= 1  # It has advanced.
    state = learner._adapt(
        task["support_x"], task["support_y"], None, buffers, True
    )
    nll = {"support": [], "query": []}
    draws = draw_weights(state["fast_weights"], buffers["noise"], 2, 2)
    for weights in draws:
        for name, labels in [("support", task["support_y"]), ("query", y[0])]:
            outputs = model.stateless_call(weights, [], task[f"{name}_x"])[0]
            nll[name].append(CROSSENTROPY(labels, outputs))
    prior = learner.initial_fast_weights()
    divergence = normal_divergence(state["fast_weights"], prior)
    expected = np.mean(nll["query"])
    expected += (6 * np.mean(nll["support"]) + 0.3 * divergence) / 6
    assert divergence > 1e-3
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_adapting_long_finds_the_posterior_of_bayes():
    """Where inputs are unit vectors, the posterior is known exactly."""
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(1, use_bias=False)]
    )
    learner = ABML(
        model,
        inner_steps=400,
        samples=10,
        initial_deviation=0.7,
        inner_optimizer=km.inner_optimizers.Adam(
            keras.optimizers.schedules.ExponentialDecay(0.05, 100, 0.3)
        ),
        unroll=False,
    )
    learner.compile(loss="mse")
    model.layers[0].kernel.assign([[0.5], [0.0], [-0.5]])
    inputs = [0] * 8 + [1] * 2  # The third weight is never seen.
    support_x = tf.one_hot(inputs, 3)
    support_y = tf.constant([[2.0]] * 8 + [[-1.0]] * 2)
    state = tf.function(learner.adapt)(support_x, support_y)
    # Observations have variance 1/2, so each adds 2 to the precision.
    precision = 1 / 0.49 + 2 * np.array([8, 2, 0])
    mean = np.array([0.5, 0.0, -0.5]) / 0.49 + 2 * np.array([16, -2, 0])
    means, logs = state["fast_weights"]
    np.testing.assert_allclose(means[:, 0], mean / precision, atol=0.05)
    np.testing.assert_allclose(tf.exp(logs[:, 0]), precision**-0.5, rtol=0.15)
    spread = np.std(
        learner.predict_samples(state, tf.eye(3), samples=200), axis=0
    )
    assert (np.diff(spread[:, 0]) > 0.1).all()


@pytest.mark.slow
def test_trained_on_waves_it_is_less_sure_far_from_the_support_points():
    keras.utils.set_random_seed(0)
    learner = abml(
        km.backbones.mlp((1,), 1, units=(20,)),
        "mse",
        inner_learning_rate=0.01,
        inner_steps=1,
        kl_weight=0.1,
    )
    learner.compile(keras.optimizers.Adam(0.01), loss="mse")
    waves = km.tasks.Sinusoid(shots=10)
    data = waves.episodes(num_episodes=80).cache()
    losses = learner.fit(data, epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    x, _ = waves.task([1, 2])
    state = learner.adapt(x["support_x"], x["support_y"])
    far = tf.constant([[-12.0], [12.0]])
    near, far = (
        np.std(learner.predict_samples(state, points, samples=50), axis=0)
        for points in (x["support_x"], far)
    )
    assert far.min() > 2 * near.mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    "layer, arguments",
    [
        (layers.BatchNormalization, {"inner_steps": 1}),
        (
            layers.BatchNormalization,
            {"batch_norm": "inductive", "inner_steps": 1, "samples": 1},
        ),
        (layers.LayerNormalization, {"samples": 1}),
    ],
)
def test_meta_gradients_are_exact(layer, arguments):
    learner = abml(network(layer()), **arguments)
    error = km.testing.verify_meta_gradient(learner, *episodes())
    assert error < 1e-5


@pytest.mark.slow
def test_a_loop_of_recomputed_steps_is_the_same():
    x, y = episodes()
    options = {"samples": 1, "seed": 3}
    # Gradients of spreads are differences of large numbers.
    with double_precision():
        model = network()
        expected = abml(model, **options).meta_gradients(x, y)[2]
        learner = abml(model, unroll=False, rematerialize=True, **options)
        received = tf.function(learner.meta_gradients)(x, y)[2]
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-7)


def test_gradients_task_by_task_are_those_of_the_meta_batch():
    model = network(layers.BatchNormalization())
    x, y = episodes()
    learner, other = abml(model, seed=3), abml(model, seed=3)
    by_task = learner.meta_gradients(x, y)
    with tf.GradientTape() as tape:
        loss, _ = other.meta_loss(x, y)
    expected = tape.gradient(loss, other.trainable_variables)
    np.testing.assert_allclose(by_task[0], loss, rtol=1e-5)
    for one, other in zip(by_task[2], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_noise_advances_in_training_and_differs_by_task():
    learner = abml(initial_deviation=0.5, seed=0)
    x, y = episodes(tasks=1)
    twice = {k: tf.repeat(v, 2, 0) for k, v in x.items()}
    first, second = learner(twice, training=True)
    assert np.abs(first - second).max() > 1e-2
    assert np.abs(learner(twice, training=True)[0] - first).max() > 1e-2
    again = abml(learner.network, initial_deviation=0.5, seed=0)
    np.testing.assert_array_equal(again(twice, training=True)[0], first)
    # Outside of training it is the same noise for all.
    one, other = learner(twice)
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(learner(twice)[0], one)


def test_probabilities_are_averaged():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4, 6, 3)) * 3
    received = mean_prediction(tf.constant(logits), 0, from_logits=True)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(tf.exp(received), p.mean(0), rtol=1e-9)
    odds = logits[..., :1]
    received = mean_prediction(tf.constant(odds), 0, from_logits=True)
    p = (1 / (1 + np.exp(-odds))).mean(0)
    np.testing.assert_allclose(received, np.log(p / (1 - p)), rtol=1e-9)
    received = mean_prediction(tf.constant(logits), 0, from_logits=False)
    np.testing.assert_allclose(received, logits.mean(0))


def test_padding_counts_for_nothing():
    mask = tf.constant([[True] * 5 + [False]] * 2)
    learner = abml(network(layers.BatchNormalization()), seed=0)
    x, y = episodes(support_mask=mask, query_mask=mask)
    short = {k: v[:, :5] for k, v in x.items() if not k.endswith("mask")}
    expected = learner.meta_loss(short, y[:, :5], training=False)[0]
    received = learner.meta_loss(x, y, training=False)[0]
    np.testing.assert_allclose(received, expected, rtol=1e-5)
    state = learner.noise_generator.state
    before = tf.identity(state.value)
    expected = learner.meta_loss(short, y[:, :5])[0]
    state.assign(before)
    np.testing.assert_allclose(learner.meta_loss(x, y)[0], expected, rtol=1e-5)


@pytest.mark.slow
def test_save_and_load(tmp_path):
    learner = abml(inner_steps=1, seed=7)
    x, y = episodes()
    data = tf.data.Dataset.from_tensors((x, y))
    learner.fit(data, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    expected = learner.predict(x, verbose=0)
    np.testing.assert_allclose(np.exp(expected).sum(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6
    )
    model = learner.adapted_model(x["support_x"][0], x["support_y"][0])
    np.testing.assert_allclose(
        model(x["query_x"][0]), expected[0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"samples": 0}, "samples=0"),
        ({"initial_deviation": 0}, "initial_deviation=0"),
        ({"kl_weight": -1}, "kl_weight=-1"),
        ({"seed": -3}, "seed=-3"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        ABML(network(), **arguments)
    assert str(error.value).endswith(f"Received: {message}")


def test_bad_number_of_samples():
    learner = abml()
    x, _ = episodes()
    state = learner.adapt(x["support_x"][0], x["support_y"][0])
    with pytest.raises(ValueError, match="Received: samples=0"):
        learner.predict_samples(state, x["query_x"][0], samples=0)


@pytest.mark.parametrize("from_logits", [True, False])
def test_the_loss_must_agree_on_logits(from_logits):
    loss = keras.losses.SparseCategoricalCrossentropy(not from_logits)
    for kwargs in ({"loss": loss}, {"loss": "mse", "inner_loss": loss}):
        with pytest.raises(ValueError, match=f"from_logits={from_logits} for"):
            abml(**kwargs, from_logits=from_logits)


def test_xla_is_refused():
    learner = ABML(km.backbones.mlp((1,), 1, units=(4,)))
    with pytest.warns(UserWarning, match="doesn't support `jit_compile=True`"):
        learner.compile("adam", "mse", jit_compile=True)
    assert not learner.jit_compile
