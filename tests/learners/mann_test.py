import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.mann import MANN

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0])
SUPPORT = GENERATOR.normal(size=(6, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(4, 3)).astype("float32")


def made(ways=3, **kwargs):
    x = keras.Input((3,))
    identity = keras.Model(x, keras.layers.Activation("linear")(x))
    sizes = {"units": 4, "slots": 5, "slot_size": 3, "heads": 2, **kwargs}
    return MANN(identity, ways, **sizes)


def test_each_query_reads_the_memory_of_the_support_set():
    learner = made()
    state = learner.adapt(tf.constant(SUPPORT), tf.constant(LABELS))
    logits = learner.predict_query(state, tf.constant(QUERIES))
    told = np.concatenate([np.eye(3)[LABELS], np.zeros((1, 3))])
    for query, one in zip(QUERIES, logits, strict=True):
        examples = np.concatenate([SUPPORT, [query]])
        sequence = np.concatenate([examples, told], axis=1)[None]
        outputs, *_ = learner.reader(sequence.astype("float32"))
        expected = learner.logits(outputs)[0, -1]
        np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-5)


def test_gradients_are_exact():
    learner = made(ways=4, shift_labels=True)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
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
def test_learns_tasks_of_clusters():
    generator = np.random.default_rng(0)
    centers = generator.normal(size=(400, 16))
    y = np.repeat(np.arange(400), 20)
    x = centers[y] + 0.1 * generator.normal(size=(8000, 16))
    spec = km.episodes.EpisodeSpec(ways=3, shots=1, queries=2)
    make = km.episodes.episodes_from_arrays
    train = make(x[:6000], y[:6000], spec, batch_size=64)
    test = make(x[6000:], y[6000:], spec, batch_size=20, num_episodes=200)
    inputs = keras.Input((16,))
    backbone = keras.Model(inputs, keras.layers.Identity()(inputs))
    learner = MANN(backbone, ways=3, units=128, slots=8, heads=1)
    learner.compile(
        keras.optimizers.Adam(3e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    learner.fit(train, steps_per_epoch=1000, verbose=0)
    logs = learner.evaluate(test, return_dict=True, verbose=0)
    assert logs["accuracy"] > 0.8


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: ways=None"):
        made(ways=None)
    with pytest.raises(ValueError, match="Received: slots=1"):
        made(slots=1)
