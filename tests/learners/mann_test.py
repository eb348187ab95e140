import keras
import numpy as np
import pytest
import tensorflow as tf

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
        sequence = learner.examples(examples[None], told[None])
        outputs, *_ = learner.reader(sequence)
        expected = learner.logits(outputs)[0, -1]
        np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-5)


def test_reads_as_it_is_told():
    options = {"temperature": 0.5, "read_first": False}
    learner = made(**options)
    assert learner.reader.cell.get_config().items() >= options.items()
    assert learner.get_config().items() >= options.items()


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: ways=None"):
        made(ways=None)
    with pytest.raises(ValueError, match="Received: slots=1"):
        made(slots=1)
