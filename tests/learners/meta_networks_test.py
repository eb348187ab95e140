import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.learners.meta_networks import MetaNetworks
from kerasmeta.learners.meta_networks import _shares_of_steps
from kerasmeta.testing.float64 import double_precision

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2])
SUPPORT = GENERATOR.normal(size=(5, 3))
QUERIES = GENERATOR.normal(size=(4, 3))
STEP = 1e-6


def made(ways=3, **kwargs):
    x = keras.Input((3,))
    identity = keras.Model(x, keras.layers.Activation("linear")(x))
    return MetaNetworks(
        identity, ways, **{"units": 4, "meta_units": 3, "steps": 2, **kwargs}
    )


def adapted(learner, labels=LABELS, order=slice(None)):
    dtype = learner.variable_dtype
    return learner.adapt(
        tf.constant(SUPPORT[order], dtype), tf.constant(labels[order])
    )


def queried(learner, state):
    queries = tf.constant(QUERIES, learner.variable_dtype)
    return learner.predict_query(state, queries).numpy()


def relu(x):
    return np.maximum(x, 0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def crossentropy(x, labels, first, last):
    logits = relu(x @ first) @ last
    chosen = logits[np.arange(len(x)), labels]
    return np.mean(np.log(np.exp(logits).sum(axis=1)) - chosen)


def gradients(x, labels, *kernels):
    """Both gradients by differences, coordinate by coordinate."""
    results = []
    for i, kernel in enumerate(kernels):
        results.append(np.zeros(kernel.shape))
        for index in np.ndindex(kernel.shape):
            losses = []
            for step in (STEP, -STEP):
                moved = [k.copy() for k in kernels]
                moved[i][index] += step
                losses.append(crossentropy(x, labels, *moved))
            results[-1][index] = (losses[0] - losses[1]) / (2 * STEP)
    return results


def preprocessed(gradient):
    if abs(gradient) >= np.exp(-7):
        return np.array([np.log(abs(gradient)) / 7, np.sign(gradient)])
    return np.array([-1.0, np.exp(7) * gradient])


def for_each_number(function, *arrays):
    values = [function(*numbers) for numbers in zip(*map(np.ravel, arrays))]
    return np.reshape(values, arrays[0].shape)


def read_by_lstm(learner, *sequence):
    kernel, recurrent, bias = learner.gradient_reader.get_weights()
    hidden = cell = np.zeros(3)
    for gradient in sequence:
        inputs = preprocessed(gradient) @ kernel + hidden @ recurrent + bias
        i, f, g, o = np.split(inputs, 4)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
    weights, bias = learner.key_writer.get_weights()
    return (hidden @ weights + bias)[0]


def written(learner, gradient):
    x, weights = preprocessed(gradient), learner.weight_writer.get_weights()
    for kernel, bias in zip(weights[:4:2], weights[1:4:2]):
        x = relu(x @ kernel + bias)
    return (x @ weights[4] + weights[5])[0]


def normalized(learner, x):
    scale, shift = learner.norm.get_weights()
    centered = x - x.mean(axis=1, keepdims=True)
    variance = np.square(centered).mean(axis=1, keepdims=True)
    return centered / np.sqrt(variance + 1e-3) * scale + shift


def solved_by_hand(learner):
    support = normalized(learner, SUPPORT)
    key, key_logits, hidden, logits = (
        layer.get_weights()[0]
        for layer in (
            learner.key,
            learner.key_logits,
            learner.hidden,
            learner.logits,
        )
    )
    # Five examples in at most two steps: three, and two.
    parts = [
        gradients(support[part], LABELS[part], key, key_logits)[0]
        for part in (slice(3), slice(3, 5))
    ]
    fast_key = for_each_number(
        lambda *sequence: read_by_lstm(learner, *sequence), *parts
    )
    index = [x @ key + x @ fast_key for x in support]
    memory = [
        [
            for_each_number(lambda g: written(learner, g), gradient)
            for gradient in gradients(x[None], [label], hidden, logits)
        ]
        for x, label in zip(support, LABELS)
    ]
    results = []
    for x in normalized(learner, QUERIES):
        own = x @ key + x @ fast_key
        cosines = [
            own @ other / np.linalg.norm(own) / np.linalg.norm(other)
            for other in index
        ]
        weights = np.exp(np.array(cosines) / 0.5)
        shares = weights / weights.sum()
        fast_hidden, fast_logits = (
            sum(share * fast[i] for share, fast in zip(shares, memory))
            for i in range(2)
        )
        h = relu(x @ hidden) + relu(x @ fast_hidden)
        results.append(h @ logits + h @ fast_logits)
    return results


def test_is_the_paper_with_gradients_by_differences():
    with double_precision():
        learner = made(temperature=0.5)
        generator = np.random.default_rng(1)
        for variable in learner.trainable_variables:  # No bias is zero.
            variable.assign_add(0.3 * generator.normal(size=variable.shape))
        received = queried(learner, adapted(learner))
        np.testing.assert_allclose(
            received, solved_by_hand(learner), rtol=1e-6, atol=1e-6
        )


def test_without_fast_weights_it_is_the_slow_network():
    learner = made()
    last = learner.weight_writer.layers[-1]
    last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    slow = learner.logits(tf.nn.relu(learner.hidden(learner.norm(QUERIES))))
    for labels in (LABELS, LABELS[::-1]):
        state = adapted(learner, labels)
        np.testing.assert_allclose(queried(learner, state), slow, rtol=1e-5)


def test_fast_weights_are_those_of_the_task():
    learner = made()
    state, other = adapted(learner), adapted(learner, 2 - LABELS)
    for name in ("key_weights", "memory"):
        pair = (tf.nest.flatten(s["head"][name]) for s in (state, other))
        for one, another in zip(*pair):
            assert np.abs(one - another).max() > 1e-3, name


def test_the_order_of_the_support_set_is_that_of_the_memory():
    learner, order = made(steps=1), [3, 0, 4, 2, 1]
    state, moved = adapted(learner), adapted(learner, order=order)
    for one, another in zip(state["head"]["memory"], moved["head"]["memory"]):
        np.testing.assert_allclose(
            another, tf.gather(one, order), rtol=1e-4, atol=1e-6
        )
    np.testing.assert_allclose(
        queried(learner, moved), queried(learner, state), rtol=1e-4, atol=1e-5
    )


def test_first_order_leaves_out_what_gradients_depend_on():
    exact, first = made(), made(first_order=True)
    first.set_weights(exact.get_weights())
    predictions = [queried(one, adapted(one)) for one in (exact, first)]
    np.testing.assert_allclose(*predictions)
    x = {
        "support_x": tf.constant(SUPPORT[None], "float32"),
        "support_y": tf.constant(LABELS[None]),
        "query_x": tf.constant(QUERIES[None], "float32"),
    }
    slow = []
    for learner in (exact, first):
        learner.compile(loss="mse")
        *_, meta_gradients = learner.meta_gradients(x, tf.ones((1, 4, 3)))
        by_path = {
            v.path.split("/")[0]: g
            for v, g in zip(learner.trainable_variables, meta_gradients)
        }
        assert ("key_logits" in by_path) == (learner is exact)
        slow.append(by_path["logits"])
    assert np.abs(slow[0] - slow[1]).max() > 1e-4


@pytest.mark.parametrize(
    "mask, expected",
    [
        ([1, 1, 0, 1], [[0.5, 0.5, 0, 0], [0, 0, 0, 1]]),
        ([0, 1, 0, 0], [[0, 1, 0, 0], [0, 0, 0, 0]]),
        ([0, 0, 0, 0], [[0, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_as_many_examples_a_step(mask, expected):
    shares = _shares_of_steps(tf.constant([mask]) > 0, 2, "float32")
    np.testing.assert_array_equal(shares[0], expected)


def test_embeddings_of_one_number_are_refused():
    """`LayerNormalization` makes 0 of each."""
    backbone = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="at least two numbers.*of length 1"):
        MetaNetworks(backbone, ways=3)


def test_bad_arguments():
    for name in ("ways", "units", "meta_units", "steps"):
        with pytest.raises(ValueError, match=f"Received: {name}=0"):
            made(**{name: 0})
