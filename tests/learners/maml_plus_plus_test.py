import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.inner_optimizers import GradientDescent
from kerasmeta.learners.maml_plus_plus import MAMLPlusPlus

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RATE = 0.1


@keras.saving.register_keras_serializable(package="kerasmeta_tests")
class FixedScales(GradientDescent):
    """Gradient descent that leaves gamma and beta where they are."""

    def step(self, weights, gradients, state, step, loss=None):
        # The weights are kernel, bias, gamma, beta, kernel and bias.
        weights = [
            weight if i in (2, 3) else weight - RATE * gradient
            for i, (weight, gradient) in enumerate(zip(weights, gradients))
        ]
        return weights, state


@pytest.fixture(autouse=True)
def same_weights_every_time():
    keras.utils.set_random_seed(0)


def network(*middle, shape=(4,)):
    middle = middle or [layers.BatchNormalization()]
    stack = [keras.Input(shape), layers.Dense(5), *middle]
    return keras.Sequential(
        [*stack, layers.Activation("tanh"), layers.Dense(3)]
    )


def episodes(tasks=2, **masks):
    generator = np.random.default_rng(0)

    def draw(shift):
        x = generator.normal(size=(tasks, 6, 4)) + shift
        return tf.constant(x, "float32")

    y = tf.constant(np.tile([0, 1, 2, 0, 1, 2], (tasks, 1)), "int32")
    x = {"support_x": draw(0.0), "support_y": y, "query_x": draw(1.0)}
    return {**x, **masks}, y


def plus_plus(model=None, steps=3, anneal=10, optimizer=None, **kwargs):
    learner = MAMLPlusPlus(
        model or network(),
        inner_steps=steps,
        multi_step_loss_steps=anneal,
        inner_optimizer=optimizer or GradientDescent(RATE),
        **kwargs,
    )
    learner.compile(keras.optimizers.SGD(0.1), CROSSENTROPY)
    return learner


def maml(model, steps, **kwargs):
    learner = km.learners.MAML(
        model, inner_steps=steps, inner_optimizer=FixedScales(), **kwargs
    )
    learner.compile(keras.optimizers.SGD(0.1), CROSSENTROPY)
    return learner


def test_weights_are_annealed_by_the_authors_rule():
    learner = plus_plus(steps=5, anneal=100)
    for done in [0, 10, 50, 98, 99, 100, 1000]:
        learner.optimizer.iterations.assign(done)
        # The lines of the paper's code, with an epoch of one step.
        expected = np.full(5, 0.2)
        for i in range(4):
            expected[i] = max(0.2 - done * 0.2 / 100, 0.03 / 5)
        expected[4] = min(0.2 + done * 4 * 0.2 / 100, 1 - 4 * 0.03 / 5)
        if done >= 100:
            expected = np.eye(5)[4]
        np.testing.assert_allclose(learner.step_weights(), expected, atol=1e-6)


@pytest.mark.parametrize("policy", ["transductive", "inductive", "moving"])
def test_loss_is_the_weighted_sum_of_maml_of_1_to_k_steps(policy):
    model = network()
    learner = plus_plus(model, batch_norm=policy)
    learner.optimizer.iterations.assign(4)
    x, y = episodes()
    losses = [
        maml(model, steps, batch_norm=policy).meta_loss(x, y)[0]
        for steps in (1, 2, 3)
    ]
    expected = np.dot(learner.step_weights(), losses)
    loss, query_pred = learner.meta_loss(x, y)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    last = maml(model, 3, batch_norm=policy)(x, training=True)
    np.testing.assert_allclose(query_pred, last, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("anneal", [0, 10])
def test_it_is_maml_when_only_the_last_step_counts(anneal):
    model = network()
    learner = plus_plus(model, anneal=anneal)
    learner.optimizer.iterations.assign(anneal)
    x, y = episodes()
    expected, _, wanted = maml(model, 3).meta_gradients(x, y)
    loss, _, gradients = learner.meta_gradients(x, y)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    received = {
        id(v): g for v, g in zip(learner.trainable_variables, gradients)
    }
    # MAML has one gamma and one beta: the gradients of all rows together.
    for rows in learner.trainable_variables:
        if rows.name.endswith("_of_step"):
            name = rows.name.removesuffix("_of_step")
            (own,) = [v for v in model.trainable_variables if v.name == name]
            received[id(own)] += tf.reduce_sum(received.pop(id(rows)), 0)
    for variable, gradient in zip(model.trainable_variables, wanted):
        np.testing.assert_allclose(
            received[id(variable)], gradient, rtol=1e-4, atol=1e-6
        )


def test_gradients_of_the_multi_step_loss_are_those_of_maml():
    model = network(layers.LayerNormalization())
    learner = plus_plus(model)
    x, y = episodes()
    total = 0.0
    for steps in (1, 2, 3):
        reference = km.learners.MAML(model, RATE, inner_steps=steps)
        reference.compile(loss=CROSSENTROPY)
        gradients = reference.meta_gradients(x, y)[2]
        total += tf.concat([tf.reshape(g, [-1]) for g in gradients], 0) / 3
    gradients = learner.meta_gradients(x, y)[2]
    received = tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)
    np.testing.assert_allclose(received, total, rtol=1e-4, atol=1e-6)


def test_extra_losses_of_the_network_are_weighted_too():
    layer = layers.Dense(5, kernel_regularizer="l2")
    model = network(layer)
    learner = plus_plus(model)
    learner.optimizer.iterations.assign(3)
    x, y = episodes()
    losses = []
    for steps in (1, 2, 3):
        reference = km.learners.MAML(model, RATE, inner_steps=steps)
        reference.compile(loss=CROSSENTROPY)
        losses.append(reference.meta_loss(x, y)[0])
    expected = np.dot(learner.step_weights(), losses)
    np.testing.assert_allclose(learner.meta_loss(x, y)[0], expected, rtol=1e-5)


def test_scales_are_those_of_the_step():
    learner = plus_plus()
    gamma, beta = learner.network.layers[1].trainable_variables
    rows = [v for v in learner.trainable_variables if "_of_step" in v.name]
    assert [r.shape for r in rows] == [(3, 5), (3, 5)]
    assert all(
        v is not gamma and v is not beta for v in learner.fast_variables()
    )
    weights = learner.initial_fast_weights()
    x = episodes()[0]["support_x"][0].numpy()
    for step in range(5):
        values = np.random.default_rng(step).normal(size=(2, 5))
        for target, value in zip(rows if step < 3 else [gamma, beta], values):
            if step < 3:
                value = np.where(np.arange(3)[:, None] == step, value, np.nan)
            target.assign(value)
        received, _, _ = learner._forward(weights, {}, x, False, None, step)
        kernel, bias, kernel_2, bias_2 = (np.array(w) for w in weights)
        h = x @ kernel + bias
        h = (h - h.mean(0)) / np.sqrt(h.var(0) + 1e-3)
        h = np.tanh(h * values[0] + values[1])
        np.testing.assert_allclose(
            received, h @ kernel_2 + bias_2, rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("anneal", [0, 10])
def test_statistics_of_a_step_are_those_of_its_passes(anneal):
    model = network()
    learner = plus_plus(model, anneal=anneal, batch_norm="moving")
    x, y = episodes()
    expected = []
    for steps in range(4):
        means = []
        for task in range(2):
            # The weights after some steps, by MAML, whatever they are.
            kernel, bias = model.layers[0].weights
            if steps:
                reference = maml(model, steps)
                state = reference.adapt(
                    x["support_x"][task], x["support_y"][task]
                )
                kernel, bias = state["fast_weights"][:2]
            name = "query_x" if steps == 3 else "support_x"
            hidden = x[name][task].numpy() @ np.array(kernel) + np.array(bias)
            means.append(hidden.mean(0))
        expected.append(0.01 * np.mean(means, 0))
    learner.meta_gradients(x, y)
    (rows,) = [
        v
        for v in learner.non_trainable_variables
        if v.name == "moving_mean_of_step"
    ]
    received = [*rows.numpy(), model.layers[1].moving_mean.numpy()]
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, policy",
    [
        ("Batch", "transductive"),
        ("Batch", "inductive"),
        ("Layer", "transductive"),
    ],
)
def test_meta_gradients_are_exact(kind, policy):
    layer = getattr(layers, f"{kind}Normalization")()
    learner = MAMLPlusPlus(
        network(layer), RATE, inner_steps=2, batch_norm=policy
    )
    learner.compile(loss=CROSSENTROPY)
    error = km.testing.verify_meta_gradient(learner, *episodes())
    assert error < 1e-5


@pytest.mark.slow
def test_a_loop_of_recomputed_steps_is_the_same():
    model = network()
    x, y = episodes()
    expected = plus_plus(model).meta_gradients(x, y)[2]
    learner = plus_plus(model, unroll=False, rematerialize=True)
    received = tf.function(learner.meta_gradients)(x, y)[2]
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_first_order_steps_come_first():
    model = network()
    learner = plus_plus(model, steps=2, second_order_after=1)
    first_order = plus_plus(model, steps=2, first_order=True)
    exact = plus_plus(model, steps=2)
    x, y = episodes()
    gradients_of = tf.function(learner.meta_gradients)
    for iterations, reference in [(0, first_order), (1, exact)]:
        learner.optimizer.iterations.assign(iterations)
        reference.optimizer.iterations.assign(iterations)
        gradients = gradients_of(x, y)[2]
        expected = reference.meta_gradients(x, y)[2]
        for one, other in zip(gradients, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_padding_and_several_outputs():
    inputs = keras.Input((4,))
    h = layers.BatchNormalization()(layers.Dense(5)(inputs))
    outputs = {"a": layers.Dense(3)(h), "b": layers.Dense(1)(h)}
    learner = MAMLPlusPlus(keras.Model(inputs, outputs), 0.1, 2)
    learner.compile("sgd", {"a": CROSSENTROPY, "b": "mse"})
    mask = tf.constant([[True] * 5 + [False]] * 2)
    x, y = episodes(support_mask=mask, query_mask=mask)
    x["support_y"] = {"a": y, "b": x["support_x"][..., :1]}
    query_y = {"a": y, "b": x["query_x"][..., :1]}
    loss = learner.meta_loss(x, query_y)[0]
    for name in ("support_x", "query_x"):
        x[name] = tf.where(mask[..., None], x[name], 1e3)
    np.testing.assert_allclose(learner.meta_loss(x, query_y)[0], loss, 1e-5)


@pytest.mark.slow
def test_save_and_load(tmp_path):
    learner = MAMLPlusPlus(
        network(), 0.1, 2, multi_step_loss_steps=30, batch_norm="moving"
    )
    learner.compile("adam", CROSSENTROPY)
    x, y = episodes()
    learner.fit(tf.data.Dataset.from_tensors((x, y)), verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.multi_step_loss_steps == 30
    np.testing.assert_allclose(
        loaded.predict(x, verbose=0),
        learner.predict(x, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )
    model = learner.adapted_model(x["support_x"][0], x["support_y"][0])
    assert type(model) is keras.Sequential
    np.testing.assert_allclose(
        model.predict(x["query_x"][0], verbose=0),
        learner.predict(x, verbose=0)[0],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"multi_step_loss_steps": -1}, "multi_step_loss_steps=-1"),
        ({"multi_step_loss_steps": 0.5}, "multi_step_loss_steps=0.5"),
        ({"test_inner_steps": 4}, "test_inner_steps=4"),
        ({"inner_learning_rate": 0}, "learning_rate=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError) as error:
        MAMLPlusPlus(network(), **arguments)
    assert str(error.value).endswith(f"Received: {message}")


def test_meta_gradients_in_a_graph_need_no_optimizer():
    learner = MAMLPlusPlus(network(), RATE, inner_steps=2)
    learner.compile(optimizer=None, loss=CROSSENTROPY)
    x = tf.constant(np.random.default_rng(0).normal(size=(1, 6, 4)), "float32")
    y = tf.constant([[0, 1, 2, 0, 1, 2]])
    episode = {"support_x": x, "support_y": y, "query_x": -x}
    expected = learner.meta_gradients(episode, y)[2]
    received = tf.function(learner.meta_gradients)(episode, y)[2]
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
