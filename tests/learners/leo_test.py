import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kerasmeta as km
from kerasmeta.learners.leo import LEO
from kerasmeta.ops.gaussians import kl_to_standard_normal
from kerasmeta.ops.gaussians import sample_gaussian

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SPEC = km.episodes.EpisodeSpec(3, 2, 4)
VARIED = km.episodes.EpisodeSpec((2, 3), (1, 2), (2, 4), unbalanced=True)


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


def compiled(network=None, **kwargs):
    arguments = {
        "ways": 3,
        "inner_steps": 2,
        "latent_size": 4,
        "finetune_steps": 2,
        "finetune_learning_rate": 0.1,
        # Large enough to be seen in a meta-gradient.
        "kl_weight": 0.1,
        "encoder_penalty_weight": 0.1,
        "l2_weight": 0.01,
        "orthogonality_weight": 0.1,
        **kwargs,
    }
    learner = LEO(dense() if network is None else network, **arguments)
    learner.compile(keras.optimizers.Adam(3e-3), loss=CROSSENTROPY)
    return learner


def episodes(spec=SPEC, shape=(6,)):
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(8), 12)
    x = generator.normal(size=(8, *shape))[y]
    x += generator.normal(size=x.shape)
    return km.episodes.episodes_from_arrays(
        x, y, spec, batch_size=2, num_episodes=4
    )


def first_task(data=None):
    x, y = next(iter(data or episodes()))[:2]
    return tf.nest.map_structure(lambda t: t[0], (dict(x), y))


def code_means(network, embeddings, labels):
    """The distribution of the codes, by loops over pairs, in NumPy."""
    kernels = [layer.get_weights()[0] for layer in network.relation]
    codes = embeddings @ network.encoder.get_weights()[0]
    relations = np.zeros((len(codes), 2 * network.latent_size))
    for i, one in enumerate(codes):
        for other in codes:
            hidden = np.concatenate([one, other])
            hidden = np.maximum(hidden @ kernels[0], 0)
            hidden = np.maximum(hidden @ kernels[1], 0)
            relations[i] += hidden @ kernels[2] / len(codes)
    classes = [relations[labels == n].mean(0) for n in range(network.ways)]
    return np.split(np.array(classes), 2, axis=-1)


def test_codes_and_classifier_are_those_of_numpy():
    learner = compiled(finetune_steps=0, inner_learning_rate=1e-12)
    network = learner.network
    task, _ = first_task()
    embeddings = network(task["support_x"]).numpy().astype("float64")
    labels = task["support_y"].numpy()
    mean, log_variance = code_means(network, embeddings, labels)
    ours = network.code_distribution(tf.constant(embeddings, "float32"), labels)
    np.testing.assert_allclose(ours[0], mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours[1], log_variance, rtol=1e-4, atol=1e-5)
    decoded = mean @ network.decoder.get_weights()[0]
    weights, log_variance = np.split(decoded, 2, axis=-1)
    state = learner.adapt(task["support_x"], task["support_y"])
    np.testing.assert_allclose(
        state["fast_weights"][0], weights, rtol=1e-4, atol=1e-5
    )
    queries = network(task["query_x"]).numpy()
    np.testing.assert_allclose(
        learner.predict_query(state, task["query_x"]),
        queries @ weights.T,
        rtol=1e-4,
        atol=1e-5,
    )
    _, ours = network.weight_distribution(tf.constant(mean, "float32"))
    glorot = 2 / (5 + 3)
    np.testing.assert_allclose(
        ours, log_variance + np.log(glorot), rtol=1e-4, atol=1e-5
    )


def test_steps_of_codes_and_classifier_are_those_of_numpy():
    rates = {"inner_learning_rate": 0.7, "finetune_learning_rate": 0.3}
    learner = compiled(inner_steps=2, finetune_steps=2, **rates)
    network = learner.network
    task, _ = first_task()
    embeddings = network(task["support_x"]).numpy().astype("float64")
    labels = task["support_y"].numpy()
    codes, _ = code_means(network, embeddings, labels)
    decoder = network.decoder.get_weights()[0].astype("float64")
    decoder, _ = np.split(decoder, 2, axis=-1)  # (K, D), without variances

    def slope(classifier):
        logits = embeddings @ classifier.T
        error = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        return (error - np.eye(3)[labels]).T @ embeddings / len(labels)

    for _ in range(2):
        codes = codes - 0.7 * slope(codes @ decoder) @ decoder.T
    decoded = classifier = codes @ decoder
    for _ in range(2):
        classifier = classifier - 0.3 * slope(classifier)
    assert np.abs(classifier - decoded).max() > 1e-2
    state = learner.adapt(task["support_x"], task["support_y"])
    np.testing.assert_allclose(
        state["fast_weights"][0], classifier, rtol=1e-4, atol=1e-5
    )


def test_each_number_of_a_code_and_of_a_classifier_has_its_rate():
    learner = compiled(latent_size=4)
    for optimizer, width in [
        (learner.inner_optimizer, 4),
        (learner.finetune_optimizer, 5),
    ]:
        assert [tuple(r.shape) for r in optimizer.rates] == [(width,)]


def test_divergence_is_that_of_samples():
    mean, log_variance = tf.constant([0.7]), tf.constant([-0.4])
    samples = sample_gaussian(
        tf.fill([400_000], 0.7), tf.fill([400_000], -0.4), [1, 2]
    ).numpy()
    deviation = np.exp(-0.2)
    own = -0.5 * ((samples - 0.7) / deviation) ** 2 - np.log(deviation)
    expected = np.mean(own + 0.5 * samples**2)
    np.testing.assert_allclose(
        kl_to_standard_normal(mean, log_variance), [expected], rtol=1e-2
    )


def test_the_outer_loss_is_the_sum_of_its_parts():
    learner = compiled(dropout=0.0)
    network = learner.network
    task, query_y = first_task()
    batch = tf.nest.map_structure(lambda t: t[None], task)
    loss, query_pred = learner.meta_loss(batch, query_y[None])
    network.noise.state.assign(network.noise.state - [0, 3])
    state = learner.adapt(task["support_x"], task["support_y"], training=True)
    embeddings = network(task["support_x"])
    mean, log_variance = map(
        np.array, network.code_distribution(embeddings, task["support_y"])
    )
    divergence = (mean**2 + np.exp(log_variance) - 1 - log_variance) / 2
    # What is left of the penalty is how far the codes have moved.
    moved = float(state["penalty"]) - 0.1 * divergence.mean()
    assert 0 < moved < 1
    squares = sum(
        np.sum(layer.get_weights()[0] ** 2)
        for layer in [network.encoder, *network.relation, network.decoder]
    )
    rows = network.decoder.get_weights()[0]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    correlation = np.mean((rows @ rows.T - np.eye(4)) ** 2)
    expected = (
        float(CROSSENTROPY(query_y, query_pred[0]))
        + float(state["penalty"])
        + 0.01 * squares
        + 0.1 * correlation
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_the_inner_loop_moves_codes_only():
    learner = compiled()
    task, _ = first_task()
    seen = []

    def step(weights, gradients, *rest):
        seen.append([w.shape for w in weights])
        return type(learner.inner_optimizer).step(
            learner.inner_optimizer, weights, gradients, *rest
        )

    learner.inner_optimizer.step = step
    before = learner.get_weights()
    learner.adapt(task["support_x"], task["support_y"], training=True)
    assert seen == [[(3, 4)], [(3, 4)]]
    for old, new in zip(before, learner.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_noise_in_training_only_and_new_in_each_step():
    learner = compiled()
    batch, query_y = next(iter(episodes()))[:2]
    one, other = learner(batch), learner(batch)
    np.testing.assert_array_equal(one, other)
    learner.network.noise.state.assign([7, 0])
    first = learner(batch, training=True)
    second = learner(batch, training=True)
    assert np.abs(first - second).max() > 1e-2
    learner.network.noise.state.assign([7, 0])
    np.testing.assert_array_equal(first, learner(batch, training=True))
    same = tf.nest.map_structure(lambda t: tf.stack([t[0], t[0]]), dict(batch))
    tasks = learner(same, training=True)
    assert np.abs(tasks[0] - tasks[1]).max() > 1e-2


def test_the_encoder_penalty_pulls_the_first_codes_only():
    network = compiled(kl_weight=0, encoder_penalty_weight=0.5).network
    codes, adapted = tf.zeros((3, 4)), tf.ones((3, 4))
    is_class = tf.constant([True, True, False])
    with tf.GradientTape() as tape:
        tape.watch([codes, adapted])
        penalty = network.code_penalty((codes, codes), codes, adapted, is_class)
    assert float(penalty) == pytest.approx(0.5)
    pull, nothing = tape.gradient(penalty, [codes, adapted])
    assert nothing is None
    np.testing.assert_allclose(pull, [[-0.125] * 4] * 2 + [[0.0] * 4])


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["Batch", "Layer"])
def test_meta_gradient_is_exact_with_sampling(norm):
    middle = getattr(layers, f"{norm}Normalization")()
    # The penalty of the encoder has a `stop_gradient` of its own.
    arguments = {"inner_learning_rate": 0.3, "encoder_penalty_weight": 0}
    learner = compiled(dense(middle), **arguments)
    data = next(iter(episodes()))[:2]
    error = km.testing.verify_meta_gradient(learner, *data, directions=2)
    assert error < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_norm": "inductive", "unroll": False},
        {"batch_norm": "moving", "rematerialize": True},
    ],
)
def test_meta_gradient_of_padded_images_is_exact(arguments):
    arguments = {"inner_learning_rate": 0.3, **arguments}
    learner = compiled(conv(), encoder_penalty_weight=0, **arguments)
    data = next(iter(episodes(VARIED, (8, 8, 1))))[:2]
    error = km.testing.verify_meta_gradient(learner, *data, directions=1)
    assert error < 1e-5


@pytest.mark.slow
def test_a_frozen_backbone_stays():
    backbone = conv()
    backbone.trainable = False
    learner = compiled(backbone, rematerialize=True)
    before = backbone.get_weights()
    learner.fit(episodes(SPEC, (8, 8, 1)), verbose=0)
    for old, new in zip(before, backbone.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_padding_and_absent_classes_do_not_matter():
    learner = compiled(conv(), batch_norm="inductive")
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 1)).astype("float32")
    y = np.array([0, 1, 1, 0, 1, 2, 0, 2])
    masked = learner.adapted_model(x, y, [True] * 5 + [False] * 3)
    short = learner.adapted_model(x[:5], y[:5])
    predictions = masked.predict(x, verbose=0)
    np.testing.assert_allclose(
        predictions, short.predict(x, verbose=0), rtol=1e-4, atol=1e-4
    )
    assert set(predictions.argmax(-1)) <= {0, 1}


@pytest.mark.slow
def test_first_order_stops_both_loops():
    data = next(iter(episodes()))[:2]
    weights = compiled().get_weights()
    gradients = []
    for first_order in (False, True):
        learner = compiled(first_order=first_order, dropout=0.0, seed=1)
        learner.set_weights(weights)
        gradients.append(learner.meta_gradients(*data)[2])
    assert all(np.isfinite(g).all() for g in gradients[1])
    assert np.abs(gradients[0][0] - gradients[1][0]).max() > 1e-6


@pytest.mark.slow
def test_fit_save_and_load(tmp_path):
    learner = compiled(seed=5, inner_steps=1, finetune_steps=1)
    learner.fit(episodes(), verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    np.testing.assert_allclose(
        loaded.predict(episodes(), verbose=0),
        learner.predict(episodes(), verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"ways": 1}, "ways=1"),
        ({"latent_size": 0}, "latent_size=0"),
        ({"finetune_steps": -1}, "finetune_steps=-1"),
        ({"finetune_learning_rate": 0}, "learning_rate=0"),
        ({"dropout": 1}, "dropout=1"),
        ({"kl_weight": -0.1}, "kl_weight=-0.1"),
        ({"network": conv().layers[0]}, "network=<Conv2D"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        compiled(**arguments)


def test_adapted_model_keeps_lora():
    keras.utils.set_random_seed(0)
    learner = LEO(dense(), ways=3, latent_size=2)
    learner.compile(loss=CROSSENTROPY)
    for layer in learner._flatten_layers():
        if isinstance(layer, layers.Dense):
            layer.enable_lora(1)
    x = np.random.default_rng(0).normal(size=(6, 6)).astype("float32")
    y = np.repeat(np.arange(3), 2)
    model = learner.adapted_model(x, y)
    state = learner.adapt(tf.constant(x), tf.constant(y))
    np.testing.assert_allclose(
        model.predict(x, verbose=0),
        learner.predict_query(state, tf.constant(x)),
        rtol=1e-4,
        atol=1e-5,
    )
