"""What all learners with memory promise."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0])
SUPPORT = GENERATOR.normal(size=(6, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(4, 3)).astype("float32")
MANN_SIZES = {"units": 4, "slots": 5, "slot_size": 3, "heads": 2}
MEMORY = {"units": 128, "slots": 8, "heads": 1}
LEARNERS = {
    "transformer": lambda *args: km.learners.InContextTransformer(
        *args, width=4, heads=2, hidden_units=5
    ),
    "snail": lambda *args: km.learners.SNAIL(
        *args, support_size=6, filters=2, key_sizes=(4, 6, 8)
    ),
    "recurrent": lambda *args: km.learners.RecurrentNetwork(*args, units=4),
    "recurrent-shifted": lambda *args: km.learners.RecurrentNetwork(
        *args, units=4, shift_labels=True
    ),
    "mann-shifted": lambda *args: km.learners.MANN(
        *args, **MANN_SIZES, shift_labels=True
    ),
    "meta-networks": lambda *args: km.learners.MetaNetworks(
        *args, units=4, meta_units=3, steps=2
    ),
}
every_learner = pytest.mark.parametrize("name", LEARNERS)


def identity(size=3):
    x = keras.Input((size,))
    return keras.Model(x, keras.layers.Activation("linear")(x))


def made(name, ways=3):
    learner = LEARNERS[name](identity(), ways)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return learner


def solved(learner, support_x=SUPPORT, labels=LABELS, mask=None, x=QUERIES):
    mask = None if mask is None else tf.constant(mask)
    state = learner.adapt(tf.constant(support_x), tf.constant(labels), mask)
    return learner.predict_query(state, tf.constant(x)).numpy()


@every_learner
@pytest.mark.parametrize("change", [5.0, np.nan])
def test_a_query_does_not_see_the_others(name, change):
    learner, moved = made(name), QUERIES.copy()
    moved[1, 0] += change
    before, after = solved(learner), solved(learner, x=moved)
    others = [0, 2, 3]
    np.testing.assert_allclose(after[others], before[others], rtol=1e-5)
    assert not np.allclose(after[1], before[1], rtol=0, atol=1e-3)


@every_learner
def test_padding_and_absent_classes_do_not_matter(name):
    learner = made(name, ways=4)
    alone = solved(learner, SUPPORT[[0, 2, 4]], LABELS[[0, 2, 4]])
    # Padding between and after the examples that count.
    mask = [True, False, True, False, True, False]
    spoiled = np.where(np.array(mask)[:, None], SUPPORT, np.float32("nan"))
    padded = solved(learner, spoiled, mask=mask)
    np.testing.assert_allclose(padded, alone, rtol=1e-4, atol=1e-4)
    assert set(padded.argmax(axis=-1)) <= {1, 2}


@pytest.mark.parametrize(
    "name",
    [
        "transformer",
        "snail",
        pytest.param("recurrent", marks=pytest.mark.slow),
        pytest.param("recurrent-shifted", marks=pytest.mark.slow),
        "mann-shifted",
        "meta-networks",
    ],
)
def test_gradients_are_exact(name):
    learner = made(name, ways=4)
    for variable in learner.trainable_variables:
        # With biases of zero, what sees zeros is at the kink of a ReLU.
        noise = 0.1 * GENERATOR.normal(size=variable.shape)
        variable.assign_add(noise.astype("float32"))
    x = {
        "support_x": tf.constant(SUPPORT[None]),
        "support_y": tf.constant(LABELS[None]),
        "support_mask": tf.constant([[True] * 5 + [False]]),
        "query_x": tf.constant(QUERIES[None]),
    }
    query_y = tf.constant([[0, 1, 2, 0]])
    error = km.testing.verify_meta_gradient(learner, x, query_y, directions=2)
    assert error < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    "build, options, steps",
    [
        (km.learners.InContextTransformer, {}, 200),
        (km.learners.SNAIL, {"support_size": 3}, 200),
        (km.learners.RecurrentNetwork, {}, 200),
        (km.learners.RecurrentNetwork, {"shift_labels": True}, 400),
        (km.learners.RecurrentNetwork, {"cell": "gru"}, 200),
        (km.learners.MANN, MEMORY, 200),
        (km.learners.MANN, {**MEMORY, "shift_labels": True}, 400),
        (km.learners.MetaNetworks, {"units": 16}, 100),
    ],
)
def test_learns_tasks_of_clusters(build, options, steps):
    generator = np.random.default_rng(0)
    centers = generator.normal(size=(400, 16))
    y = np.repeat(np.arange(400), 20)
    x = centers[y] + 0.1 * generator.normal(size=(8000, 16))
    spec = km.episodes.EpisodeSpec(ways=3, shots=1, queries=2)
    make = km.episodes.episodes_from_arrays
    train = make(x[:6000], y[:6000], spec, batch_size=64)
    test = make(x[6000:], y[6000:], spec, batch_size=20, num_episodes=200)
    learner = build(identity(16), ways=3, **options)
    learner.compile(
        keras.optimizers.Adam(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    learner.fit(train, steps_per_epoch=steps, verbose=0)
    logs = learner.evaluate(test, return_dict=True, verbose=0)
    assert logs["accuracy"] > 0.9
