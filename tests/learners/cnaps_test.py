import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.cnaps import CNAPS

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0, 1])
SUPPORT = GENERATOR.normal(size=(7, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(5, 3)).astype("float32")
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def modulated():
    x, context = keras.Input((3,)), keras.Input((2,))
    hidden = keras.layers.Dense(4, use_bias=False)(x)
    film = km.layers.FiLM()([hidden, context])
    return keras.Model([x, context], film)


def encoder(size=2):
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(size, "tanh")]
    )


def made(**kwargs):
    keras.utils.set_random_seed(0)
    learner = CNAPS(modulated(), encoder(), **kwargs)
    learner.compile(keras.optimizers.SGD(0.1), CROSSENTROPY)
    return learner


def solved(learner, support_x=SUPPORT, labels=LABELS):
    state = learner.adapt(tf.constant(support_x), tf.constant(labels))
    return learner.predict_query(state, tf.constant(QUERIES)).numpy()


def generated(network, x):
    """Three dense layers, ELUs after the first two."""
    weights = [w.astype("float64") for w in network.get_weights()]
    for i in range(0, 6, 2):
        x = x @ weights[i] + weights[i + 1]
        if i < 4:
            x = np.where(x > 0, x, np.expm1(x))
    return x


@pytest.mark.usefixtures("float64")
def test_logits_are_those_of_the_formula():
    learner = made()
    kernel, bias = learner.set_encoder.get_weights()
    context = np.tanh(SUPPORT @ kernel + bias).mean(axis=0)
    dense, film_kernel, film_bias = learner.backbone.get_weights()
    scale, shift = np.split(context @ film_kernel + film_bias, 2)

    def embed(x):
        return (x @ dense) * (1 + scale) + shift

    means = np.stack([embed(SUPPORT[LABELS == n]).mean(0) for n in range(3)])
    weights = means + generated(learner.weight_generator, means)
    biases = generated(learner.bias_generator, means)[:, 0]
    np.testing.assert_allclose(
        solved(learner),
        embed(QUERIES) @ weights.T + biases,
        rtol=1e-9,
        atol=1e-9,
    )


def test_the_whole_support_set_sets_up_the_backbone():
    """Of a class that another class's examples moved, no mean has."""
    learner = made()
    moved = np.where((LABELS == 2)[:, None], SUPPORT + 2, SUPPORT)
    before, after = solved(learner), solved(learner, moved)
    assert np.abs(before[:, :2] - after[:, :2]).max() > 1e-2


def test_padding_changes_nothing():
    learner = made(ways=4)
    noise = np.full((2, 3), 50.0, "float32")
    episodes = {
        "support_x": np.concatenate([SUPPORT, noise])[None],
        "support_y": np.array([[*LABELS, 3, 0]]),
        "support_mask": np.array([[True] * 7 + [False] * 2]),
        "query_x": QUERIES[None],
    }
    together = learner(tf.nest.map_structure(tf.constant, episodes))
    np.testing.assert_allclose(
        together[0, :, :3], solved(made()), rtol=1e-4, atol=1e-4
    )


def test_gradients_are_exact():
    x = {"support_x": SUPPORT, "support_y": LABELS, "query_x": QUERIES}
    episodes = tf.nest.map_structure(lambda t: tf.constant(t[None]), x)
    query_y = tf.constant([[0, 1, 2, 0, 1]])
    error = km.testing.verify_meta_gradient(made(), episodes, query_y)
    assert error < 1e-5


def test_only_modulation_and_generators_learn_over_a_frozen_backbone():
    learner = made()
    for layer in learner.backbone.layers:
        layer.trainable = isinstance(layer, km.layers.FiLM)
    # The encoder, the modulation and two generators; not the dense layer.
    assert len(learner.trainable_variables) == 2 + 2 + 6 + 6


@pytest.mark.slow
def test_it_learns_characters_that_it_never_saw():
    shape = (28, 28, 1)
    learner = CNAPS(
        km.backbones.conv4(shape, filters=16, context_size=16),
        km.backbones.conv4(shape, 16, filters=16, downsampling="stride"),
    )
    learner.compile(
        keras.optimizers.Adam(3e-3), CROSSENTROPY, metrics=["accuracy"]
    )
    spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=5)
    train = km.tasks.Glyphs("train").episodes(spec, batch_size=8)
    test = km.tasks.Glyphs("test").episodes(
        spec, batch_size=10, seed=1, num_episodes=200
    )
    before = learner.evaluate(test, return_dict=True, verbose=0)
    learner.fit(train, steps_per_epoch=300, verbose=0)
    after = learner.evaluate(test, return_dict=True, verbose=0)
    assert before["accuracy"] + before["accuracy_ci95"] < 0.25
    # The nearest class mean of raw pixels has 0.47.
    assert after["accuracy"] - after["accuracy_ci95"] > 0.55


@pytest.mark.parametrize(
    "backbone, size, message",
    [
        (encoder, 2, "inputs of shape"),
        (modulated, 3, "length 3 for a backbone that takes 2"),
    ],
)
def test_bad_arguments(backbone, size, message):
    with pytest.raises(ValueError, match=message):
        CNAPS(backbone(), encoder(size))
