import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.transductive_fine_tuning import TransductiveFineTuning

GENERATOR = np.random.default_rng(0)
LABELS = np.array([0, 1, 2, 0, 1, 0])
SUPPORT = GENERATOR.normal(size=(6, 3))
QUERY = GENERATOR.normal(size=(7, 3))
RATE, WEIGHT = 0.02, 0.7


def linear():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, use_bias=False)]
    )


def made(network=None, **kwargs):
    arguments = {
        "inner_learning_rate": RATE,
        "inner_steps": 3,
        "entropy_weight": WEIGHT,
        **kwargs,
    }
    learner = TransductiveFineTuning(network or linear(), **arguments)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return learner


def logits_of(learner, query=QUERY):
    state = learner.adapt(
        tf.constant(SUPPORT, "float32"), tf.constant(LABELS, "int32")
    )
    return learner.predict_query(state, tf.constant(query, "float32")).numpy()


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def softmax(x):
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def predict(weights, x):
    body, kernel, bias = weights
    return unit(x @ body) @ kernel + bias


def support_loss(weights):
    p = softmax(predict(weights, SUPPORT))
    return -np.log(p[np.arange(6), LABELS]).mean()


def query_loss(weights):
    p = softmax(predict(weights, QUERY))
    return -WEIGHT * (p * np.log(p)).sum(axis=1).mean()


def slopes(loss, weights):
    """Central differences, a number at a time."""
    gradients = []
    for i, weight in enumerate(weights):
        gradient = np.zeros_like(weight)
        for index in np.ndindex(*weight.shape):
            step = np.zeros_like(weight)
            step[index] = 1e-6
            ends = [
                loss([*weights[:i], weight + s * step, *weights[i + 1 :]])
                for s in (1, -1)
            ]
            gradient[index] = (ends[0] - ends[1]) / 2e-6
        gradients.append(gradient)
    return gradients


def reference(body, pairs):
    embeddings = SUPPORT @ body
    means = np.stack([embeddings[LABELS == n].mean(axis=0) for n in range(3)])
    weights = [body, unit(means).T, np.zeros(3)]
    m = [np.zeros_like(w) for w in weights]
    v = [np.zeros_like(w) for w in weights]
    losses = [support_loss, query_loss] * pairs
    for t, loss in enumerate(losses, 1):
        for i, g in enumerate(slopes(loss, weights)):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g**2
            rate = RATE * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            weights[i] = weights[i] - rate * m[i] / (np.sqrt(v[i]) + 1e-7)
    return predict(weights, QUERY)


@pytest.mark.parametrize("unroll", [True, False])
def test_formula(unroll):
    learner = made(unroll=unroll)
    body = learner.network.get_weights()[0].astype("float64")
    np.testing.assert_allclose(
        logits_of(learner), reference(body, 3), rtol=1e-3, atol=1e-4
    )


def test_it_begins_as_cosine_prototypes():
    learner = made(inner_learning_rate=1e-9, inner_steps=1)
    embeddings = [learner.network(x).numpy() for x in (SUPPORT, QUERY)]
    means = [embeddings[0][LABELS == n].mean(axis=0) for n in range(3)]
    expected = unit(embeddings[1]) @ unit(np.array(means)).T
    np.testing.assert_allclose(
        logits_of(learner), expected, rtol=1e-4, atol=1e-5
    )


def test_queries_see_each_other():
    learner = made()
    other = np.concatenate([QUERY[:1], QUERY[:1] - QUERY[1:]])
    before, after = logits_of(learner), logits_of(learner, other)
    assert learner.transductive
    assert np.abs(before[0] - after[0]).max() > 1e-3


def test_padding_changes_nothing():
    learner = made(ways=4)
    support, query = SUPPORT.astype("float32"), QUERY.astype("float32")
    episodes = {
        "support_x": np.concatenate([support, 9 + support[:2]])[None],
        "support_y": np.array([[*LABELS, 3, 3]]),
        "support_mask": np.array([[True] * 6 + [False] * 2]),
        "query_x": np.concatenate([query, 9 - query[:3]])[None],
        "query_mask": np.array([[True] * 7 + [False] * 3]),
    }
    together = learner(tf.nest.map_structure(tf.constant, episodes))
    np.testing.assert_allclose(
        together[0, :7, :3], logits_of(made()), rtol=1e-3, atol=1e-4
    )
    assert (tf.argmax(together[0, :7], axis=-1) < 3).numpy().all()


def test_an_adapted_model_fine_tunes_for_its_queries():
    learner = made(inner_steps=1)
    model = learner.adapted_model(SUPPORT.astype("float32"), LABELS)
    np.testing.assert_allclose(
        model.predict(QUERY.astype("float32"), verbose=0),
        logits_of(learner),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.mark.slow
@pytest.mark.parametrize("unroll", [True, False])
def test_gradients_are_exact(unroll):
    learner = made(inner_steps=2, unroll=unroll)
    x = {"support_x": SUPPORT, "support_y": LABELS, "query_x": QUERY}
    episodes = tf.nest.map_structure(lambda t: tf.constant(t[None]), x)
    query_y = tf.constant([[0, 1, 2, 0, 1, 2, 0]])
    error = km.testing.verify_meta_gradient(learner, episodes, query_y)
    assert error < 1e-4


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"entropy_weight": 0.0}, "entropy_weight=0.0"),
        ({"batch_norm": "inductive"}, "batch_norm='inductive'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        made(**arguments)
