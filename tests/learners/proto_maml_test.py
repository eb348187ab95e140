import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.inner_optimizers.learned_rates import LearnedRates
from kerasmeta.learners.proto_maml import ProtoMAML

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SPEC = km.episodes.EpisodeSpec(3, 2, 4)
VARIED = km.episodes.EpisodeSpec((2, 4), (1, 2), (2, 4), unbalanced=True)


def dense(*middle):
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(8),
            *middle,
            layers.Activation("tanh"),
            layers.Dense(5),
        ]
    )


def conv():
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
        ]
    )


def compiled(network, **kwargs):
    learner = ProtoMAML(
        network, **{"inner_learning_rate": 0.1, "inner_steps": 2, **kwargs}
    )
    learner.compile(keras.optimizers.Adam(3e-3), loss=CROSSENTROPY)
    return learner


def episodes(spec=SPEC, shape=(6,), num_episodes=4):
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(8), 12)
    x = generator.normal(size=(8, *shape))[y]
    x += generator.normal(size=x.shape)
    return km.episodes.episodes_from_arrays(
        x, y, spec, batch_size=2, num_episodes=num_episodes
    )


def first_task(data):
    x, y = next(iter(data))[:2]
    return tf.nest.map_structure(lambda t: t[0], (dict(x), y))


def test_before_any_step_it_is_a_prototypical_network():
    network = dense()
    learner = compiled(network, inner_learning_rate=1e-12)
    task, _ = first_task(episodes())
    proto_net = km.learners.ProtoNet(network)
    state = learner.adapt(task["support_x"], task["support_y"])
    ours = learner.predict_query(state, task["query_x"])
    state = proto_net.adapt(task["support_x"], task["support_y"])
    theirs = proto_net.predict_query(state, task["query_x"])
    # They differ by ||f(x)||^2, a constant for each query.
    norms = tf.reduce_sum(network(task["query_x"]) ** 2, -1, keepdims=True)
    np.testing.assert_allclose(ours - norms, theirs, rtol=1e-4, atol=1e-5)


def test_one_step_is_that_of_the_derivation():
    """A linear backbone and its head, adapted in NumPy."""
    network = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2, use_bias=False)]
    )
    learner = compiled(network, inner_steps=1)
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(6, 3)), np.array([0, 1, 2, 2, 1, 0])
    kernel = network.get_weights()[0].astype("float64")
    embedded = x @ kernel
    means = np.stack([embedded[y == n].mean(0) for n in range(3)])
    head, bias = 2 * means.T, -np.sum(means**2, -1)
    logits = embedded @ head + bias
    error = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    error = (error - np.eye(3)[y]) / 6
    state = learner.adapt(tf.constant(x, "float32"), tf.constant(y))
    for ours, expected in zip(
        state["fast_weights"],
        [
            kernel - 0.1 * x.T @ error @ head.T,
            head - 0.1 * embedded.T @ error,
            bias - 0.1 * error.sum(0),
        ],
    ):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def softmax_error(logits, y):
    """The gradient of the mean cross-entropy by the logits, in NumPy."""
    error = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    return (error - np.eye(logits.shape[-1])[y]) / len(y)


def test_first_order_is_that_of_the_derivation():
    """Inner gradients are constants; the prototypes are not, in NumPy."""
    network = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2, use_bias=False)]
    )
    learner = compiled(network, inner_steps=1, first_order=True)
    generator = np.random.default_rng(0)
    x, query_x = generator.normal(size=(2, 6, 3))
    y, query_y = np.array([[0, 1, 2, 2, 1, 0], [0, 0, 1, 1, 2, 2]])
    kernel = network.get_weights()[0].astype("float64")
    x_means = np.stack([x[y == n].mean(0) for n in range(3)])
    means = x_means @ kernel
    head, bias = 2 * means.T, -np.sum(means**2, -1)
    error = softmax_error(x @ kernel @ head + bias, y)
    moved = kernel - 0.1 * x.T @ error @ head.T
    moved_head = head - 0.1 * (x @ kernel).T @ error
    moved_bias = bias - 0.1 * error.sum(0)
    embedded = query_x @ moved
    error = softmax_error(embedded @ moved_head + moved_bias, query_y)
    of_means = 2 * (embedded.T @ error).T - 2 * means * error.sum(0)[:, None]
    expected = query_x.T @ error @ moved_head.T + x_means.T @ of_means
    episode = {
        "support_x": tf.constant(x[None], "float32"),
        "support_y": tf.constant(y[None]),
        "query_x": tf.constant(query_x[None], "float32"),
    }
    query_y = tf.constant(query_y[None])
    [gradient] = learner.meta_gradients(episode, query_y)[2]
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact(norm):
    middle = getattr(layers, f"{norm}Normalization")()
    learner = compiled(dense(middle), ways=3)
    data = next(iter(episodes()))[:2]
    assert km.testing.verify_meta_gradient(learner, *data) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["inductive", "moving"])
def test_meta_gradient_of_padded_images_is_exact(policy):
    learner = compiled(conv(), batch_norm=policy, unroll=False)
    data = next(iter(episodes(VARIED, (8, 8, 1))))[:2]
    error = km.testing.verify_meta_gradient(learner, *data, directions=1)
    assert error < 1e-5


def test_the_meta_gradient_goes_through_the_prototypes():
    """Also with `first_order`: the first-order terms of the prototypes."""
    rates = {"inner_learning_rate": 1e-12}
    network = dense()
    data = next(iter(episodes()))[:2]
    proto_net = km.learners.ProtoNet(network)
    proto_net.compile(loss=CROSSENTROPY)
    expected = proto_net.meta_gradients(*data)[2]
    for first_order in (False, True):
        learner = compiled(network, first_order=first_order, **rates)
        for ours, theirs in zip(learner.meta_gradients(*data)[2], expected):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "make, shape, eager",
    [(dense, (6,), True), (dense, (6,), False), (conv, (8, 8, 1), False)],
)
def test_counting_ways_is_giving_them(make, shape, eager):
    """Tasks of one meta-batch have different numbers of classes."""
    network = make()
    data = next(iter(episodes(VARIED, shape, 16).unbatch().batch(8)))[:2]
    ways = data[0]["support_y"].numpy().max(axis=1) + 1
    assert len(set(ways)) > 1
    results = []
    for given in (None, int(ways.max())):
        learner = compiled(network, ways=given)
        step = (
            learner.meta_gradients
            if eager
            else (tf.function(learner.meta_gradients))
        )
        results.append(step(*data))
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        *results,
    )


@pytest.mark.parametrize("optimizer", [None, "Adam", "Momentum"])
def test_absent_classes_have_no_chance_and_no_influence(optimizer):
    if optimizer is not None:
        optimizer = getattr(km.inner_optimizers, optimizer)(0.1)
    network = dense()
    task, _ = first_task(episodes())
    task = task["support_x"], task["support_y"], task["query_x"]

    def predict(ways):
        learner = compiled(network, ways=ways, inner_optimizer=optimizer)
        return learner.predict_query(learner.adapt(*task[:2]), task[2]).numpy()

    np.testing.assert_allclose(predict(5)[:, :3], predict(3), rtol=1e-4)
    assert np.all(predict(5)[:, 3:] < predict(5)[:, :3].min() - 50)


INNER = km.inner_optimizers
# All that weigh each number, or each tensor, by what is learned.
LEARNING = {
    "weight": lambda: LearnedRates(0.05, "weight"),
    "layer": lambda: LearnedRates(0.05, "layer"),
    "layer_step": lambda: LearnedRates(0.05, "layer_step"),
    "Curvature": lambda: INNER.Curvature(0.05),
    "GeneratedRates": lambda: INNER.GeneratedRates(0.05),
    "LSTMSteps": lambda: INNER.LSTMSteps(0.05, units=4),
}


def disturbed(make, network, ways):
    """A learner whose inner optimizer is as after some training."""
    keras.utils.set_random_seed(0)
    learner = compiled(network, ways=ways, inner_optimizer=make())
    generator = np.random.default_rng(1)
    for variable in learner.inner_optimizer.trainable_variables:
        noise = generator.normal(size=variable.shape)
        variable.assign_add(0.2 * noise.astype("float32"))
    return learner


@pytest.mark.parametrize("name", LEARNING)
def test_absent_classes_have_no_chance_whatever_was_learned(name):
    learner = disturbed(LEARNING[name], dense(), 5)
    episode, query_y = next(iter(episodes()))[:2]
    step = tf.function(learner.meta_gradients)
    _, query_pred, gradients = step(episode, query_y)
    predictions = query_pred.numpy()
    present = predictions[..., :3].min()
    assert -50 < present and np.all(predictions[..., 3:] < present - 50)
    assert all(np.all(np.abs(g) < 1e4) for g in gradients)


@pytest.mark.parametrize("name", ["layer", "layer_step", "LSTMSteps"])
def test_absent_classes_have_no_influence_whatever_was_learned(name):
    """Of those that do not mix the numbers of a tensor."""
    network = dense()
    data = next(iter(episodes()))[:2]
    results = []
    for ways in (3, 5):
        learner = disturbed(LEARNING[name], network, ways)
        loss, query_pred, gradients = learner.meta_gradients(*data)
        results.append([loss, query_pred[..., :3], *gradients])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_a_masked_support_set_is_the_shorter_one():
    learner = compiled(conv(), batch_norm="inductive", ways=3)
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype("float32")
    y = np.array([0, 1, 2, 0, 1, 2, 0, 2])
    masked = learner.adapted_model(x, y, [True] * 5 + [False] * 3)
    short = learner.adapted_model(x[:5], y[:5])
    np.testing.assert_allclose(
        masked.predict(x, verbose=0),
        short.predict(x, verbose=0),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.slow
def test_fit_save_and_load(tmp_path):
    optimizer = LearnedRates(0.05)
    learner = compiled(dense(), ways=3, inner_optimizer=optimizer)
    learner.fit(episodes(), verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.ways == 3
    np.testing.assert_allclose(
        loaded.predict(episodes(), verbose=0),
        learner.predict(episodes(), verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ProtoMAML(dense(), ways=1), "ways=1"),
        (lambda: ProtoMAML(dense(), inner_learning_rate=0), "rate=0"),
        (lambda: ProtoMAML(keras.Sequential()), "network=<Sequential"),
        (
            lambda: ProtoMAML(
                keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3)])
            ),
            "shape \\(None, 6, 6, 4\\)",
        ),
        (
            lambda: ProtoMAML(dense(), inner_optimizer=LearnedRates()),
            "ways=None",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        make()


def test_labels_are_checked():
    learner = compiled(dense(), ways=3)
    with pytest.raises(ValueError, match="less than ways=3"):
        learner.adapted_model(np.zeros((4, 6)), np.array([0, 1, 2, 3]))
