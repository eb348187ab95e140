import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.learners.snail import SNAIL

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0])
SUPPORT = GENERATOR.normal(size=(6, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(4, 3)).astype("float32")


def made(ways=3, **kwargs):
    x = keras.Input((3,))
    identity = keras.Model(x, keras.layers.Activation("linear")(x))
    sizes = {"support_size": 6, "filters": 2, "key_sizes": (4, 6, 8), **kwargs}
    return SNAIL(identity, ways, **sizes)


def solved(learner):
    state = learner.adapt(tf.constant(SUPPORT), tf.constant(LABELS))
    return learner.predict_query(state, tf.constant(QUERIES)).numpy()


def weights(layer):
    return [w.astype("float64") for w in layer.get_weights()]


def attended(block, x):
    q, k, v = (
        x @ kernel + bias
        for kernel, bias in map(weights, (block.query, block.key, block.value))
    )
    reads = []
    for t in range(len(x)):
        scores = np.exp(k[: t + 1] @ q[t] / np.sqrt(block.key_size))
        reads.append(scores / scores.sum() @ v[: t + 1])
    return np.concatenate([x, reads], axis=1)


def convolved(block, x, dilation):
    kernel, bias = weights(block.taps)
    late = np.concatenate([np.zeros((dilation, x.shape[1])), x])[: len(x)]
    both = np.concatenate([late, x], axis=1) @ kernel + bias
    appended = np.tanh(both[:, :2]) / (1 + np.exp(-both[:, 2:]))
    return np.concatenate([x, appended], axis=1)


def solved_by_hand(learner):
    """The whole sequence anew for each query."""
    logits = []
    for query in QUERIES.astype("float64"):
        examples = np.concatenate([SUPPORT, [query]])
        told = np.concatenate([np.eye(3)[LABELS], np.zeros((1, 3))])
        centered = examples - examples.mean(axis=1, keepdims=True)
        variance = np.square(centered).mean(axis=1, keepdims=True)
        normalized = centered / np.sqrt(variance + 1e-3)
        x = np.concatenate([normalized, np.sqrt(3) * told], axis=1)
        blocks = iter(learner.blocks)
        x = attended(next(blocks), x)
        for _ in range(2):
            # Seven members are reached by 1 + 2 + 4 steps back.
            for dilation in (1, 2, 4):
                x = convolved(next(blocks), x, dilation)
            x = attended(next(blocks), x)
        kernel, bias = weights(learner.logits)
        logits.append(x[-1] @ kernel + bias)
    return logits


def test_is_the_paper_with_each_query_at_the_end_of_its_own_sequence():
    learner = made()
    np.testing.assert_allclose(
        solved(learner), solved_by_hand(learner), rtol=1e-4, atol=1e-5
    )


def test_nothing_in_the_support_set_sees_what_comes_later():
    learner, moved = made(), SUPPORT.copy()
    moved[4, 0] += 5
    before, after = (
        learner.adapt(tf.constant(x), tf.constant(LABELS))["head"]
        for x in (SUPPORT, moved)
    )
    for one, other in zip(before, after):
        if isinstance(one, dict):  # Keys and values, one a member.
            np.testing.assert_array_equal(one["keys"][:4], other["keys"][:4])
            assert np.abs(one["keys"][4] - other["keys"][4]).max() > 1e-3


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: ways=None"):
        made(ways=None)
    with pytest.raises(ValueError, match="Received: support_size=0"):
        made(support_size=0)
    with pytest.raises(ValueError, match=r"Received: key_sizes=\(4, 6\)"):
        made(key_sizes=(4, 6))
