import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.learners.in_context_transformer import InContextTransformer

GENERATOR = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 1, 2, 0])
SUPPORT = GENERATOR.normal(size=(6, 3)).astype("float32")
QUERIES = GENERATOR.normal(size=(4, 3)).astype("float32")


def made(ways=3, **kwargs):
    x = keras.Input((3,))
    identity = keras.Model(x, keras.layers.Activation("linear")(x))
    sizes = {"width": 4, "heads": 2, "hidden_units": 5, **kwargs}
    learner = InContextTransformer(identity, ways, **sizes)
    generator = np.random.default_rng(1)
    for variable in learner.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    return learner


def solved(learner, support_x=SUPPORT, labels=LABELS):
    state = learner.adapt(tf.constant(support_x), tf.constant(labels))
    return learner.predict_query(state, tf.constant(QUERIES)).numpy()


def weights(layer):
    return [w.astype("float64") for w in layer.get_weights()]


def normalized(layer, x):
    gamma, beta = weights(layer)
    return gamma * (x - x.mean()) / np.sqrt(x.var() + 1e-3) + beta


def block_by_hand(block, token, context):
    """One token, one head after the other."""
    q, k, v = (
        weights(part)[0] for part in (block.query, block.key, block.value)
    )
    context = np.array([normalized(block.norm, c) for c in context])
    query, seen = normalized(block.norm, token) @ q, []
    for head in (slice(0, 2), slice(2, 4)):
        scores = (context @ k)[:, head] @ query[head] / np.sqrt(2)
        attention = np.exp(scores) / np.exp(scores).sum()
        seen.append(attention @ (context @ v)[:, head])
    kernel, bias = weights(block.mix)
    token = token + np.concatenate(seen) @ kernel + bias
    (w1, b1), (w2, b2) = weights(block.hidden), weights(block.output_layer)
    hidden = np.maximum(normalized(block.hidden_norm, token) @ w1 + b1, 0)
    return token + hidden @ w2 + b2


def solved_by_hand(learner):
    (a, bias), (b,) = (
        weights(learner.example_token),
        weights(learner.label_token),
    )
    support = [x @ a + bias + b[y] for x, y in zip(SUPPORT, LABELS)]
    queries = [x @ a + bias for x in QUERIES]
    for block in learner.blocks:
        queries = [block_by_hand(block, x, support) for x in queries]
        support = [block_by_hand(block, x, support) for x in support]
    kernel, bias = weights(learner.logits)
    return [normalized(learner.norm, x) @ kernel + bias for x in queries]


def test_is_the_transformer_written_out():
    learner = made()
    np.testing.assert_allclose(
        solved(learner), solved_by_hand(learner), rtol=1e-3, atol=1e-4
    )


def test_the_order_of_the_support_set_does_not_matter():
    learner, order = made(), [3, 0, 5, 1, 4, 2]
    np.testing.assert_allclose(
        solved(learner, SUPPORT[order], LABELS[order]),
        solved(learner),
        rtol=1e-3,
        atol=1e-4,
    )


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: ways=None"):
        made(ways=None)
    with pytest.raises(ValueError, match="Received: heads=3"):
        made(heads=3)
    with pytest.raises(ValueError, match="Received: blocks=0"):
        made(blocks=0)
