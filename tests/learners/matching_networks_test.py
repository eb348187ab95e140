import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.matching_networks import MatchingNetworks

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0, 1])
SUPPORT = GENERATOR.normal(size=(7, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(5, 3)).astype("float32")


def identity():
    x = keras.Input((3,))
    return keras.Model(x, keras.layers.Activation("linear")(x))


def linear():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])


def solved(learner, support_x=SUPPORT, labels=LABELS, mask=None):
    mask = None if mask is None else tf.constant(mask)
    state = learner.adapt(tf.constant(support_x), tf.constant(labels), mask)
    return learner.predict_query(state, tf.constant(QUERIES)).numpy()


def votes(f, g, temperature=1.0):
    """Logits from embedded queries and support examples, in float64."""
    f, g = f.astype("float64"), g.astype("float64")
    logits = []
    for query in f:
        cosines = [
            query @ one / np.linalg.norm(query) / np.linalg.norm(one)
            for one in g
        ]
        attention = np.exp(np.array(cosines) / temperature)
        attention /= attention.sum()
        logits.append([np.log(attention[LABELS == n].sum()) for n in range(3)])
    return np.array(logits)


def run_lstm(weights, xs):
    kernel, recurrent, bias = (w.astype("float64") for w in weights)
    hidden, cell, outputs = np.zeros(3), np.zeros(3), []
    for x in xs:
        i, f, g, o = np.split(x @ kernel + hidden @ recurrent + bias, 4)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        cell = f * cell + i * np.tanh(g)
        hidden = o * np.tanh(cell)
        outputs.append(hidden)
    return np.array(outputs)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("temperature", [1.0, 0.1, 0.025])
def test_is_the_logarithm_of_the_attention_to_each_class(temperature):
    logits = solved(MatchingNetworks(identity(), temperature=temperature))
    expected = votes(QUERIES, SUPPORT, temperature)
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(np.exp(logits).sum(axis=-1), 1, rtol=1e-9)


def test_full_context_embeddings_are_those_of_the_appendix():
    learner = MatchingNetworks(
        identity(), full_context_embeddings=True, read_steps=2
    )
    forward, backward = (
        layer.get_weights()
        for layer in (
            learner.support_context.forward_layer,
            learner.support_context.backward_layer,
        )
    )
    g = SUPPORT + run_lstm(forward, SUPPORT)
    g += run_lstm(backward, SUPPORT[::-1])[::-1]
    f = learner.query_context([QUERIES[None], g[None].astype("float32")])[0]
    np.testing.assert_allclose(
        solved(learner), votes(f.numpy(), g), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("context", [False, True])
def test_padding_and_absent_classes_do_not_matter(context):
    learner = MatchingNetworks(
        identity(), ways=4, full_context_embeddings=context
    )
    alone = solved(learner, SUPPORT[[0, 2, 4]], LABELS[[0, 2, 4]])
    # Padding between and after the examples that count.
    mask = [True, False, True, False, True, False, False]
    padded = solved(learner, mask=mask)
    np.testing.assert_allclose(padded, alone, rtol=1e-4, atol=1e-5)
    assert set(padded.argmax(axis=-1)) <= {1, 2}


def test_padding_may_be_anywhere_on_a_gpu():
    """The LSTM of cuDNN would refuse it."""
    learner = MatchingNetworks(identity(), full_context_embeddings=True)
    context = learner.support_context
    assert context.forward_layer.use_cudnn is False
    assert context.backward_layer.use_cudnn is False


def test_the_order_matters_with_context_only():
    order = np.array([3, 0, 6, 1, 5, 2, 4])
    for context in (False, True):
        learner = MatchingNetworks(identity(), full_context_embeddings=context)
        moved = solved(learner, SUPPORT[order], LABELS[order])
        same = np.allclose(moved, solved(learner), rtol=1e-4, atol=1e-5)
        assert same != context


@pytest.mark.parametrize("context", [False, True])
def test_gradients_are_exact(context):
    learner = MatchingNetworks(
        linear(), ways=4, full_context_embeddings=context, read_steps=2
    )
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    x = {
        "support_x": tf.constant(SUPPORT[None]),
        "support_y": tf.constant(LABELS[None]),
        "support_mask": tf.constant([[True] * 6 + [False]]),
        "query_x": tf.constant(QUERIES[None]),
    }
    query_y = tf.constant([[0, 1, 2, 0, 1]])
    error = km.testing.verify_meta_gradient(learner, x, query_y, directions=2)
    assert error < 1e-6


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: read_steps=0"):
        MatchingNetworks(identity(), read_steps=0)
    with pytest.raises(ValueError, match="Received: temperature=0.01"):
        MatchingNetworks(identity(), temperature=0.01)
    maps = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3)])
    with pytest.raises(ValueError, match="must return embeddings"):
        MatchingNetworks(maps, full_context_embeddings=True)
