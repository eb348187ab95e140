import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.learners.proto_net import ProtoNet

LABELS = np.array([2, 0, 1, 1, 2, 0, 1])


def linear(width=4):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(width)])


def task():
    generator = np.random.default_rng(0)
    support_x = generator.normal(size=(7, 3)).astype("float32")
    return support_x, generator.normal(size=(5, 3)).astype("float32")


def solved(learner, support_x, query_x, mask=None):
    state = learner.adapt(
        tf.constant(support_x), tf.constant(LABELS[: len(support_x)]), mask
    )
    return learner.predict_query(state, tf.constant(query_x)).numpy()


def expected(learner, support_x, query_x, score):
    kernel, bias = (w.astype("float64") for w in learner.backbone.get_weights())
    support, query = (x @ kernel + bias for x in (support_x, query_x))
    centers = [support[LABELS == n].mean(axis=0) for n in range(3)]
    return np.array([[score(q, c) for c in centers] for q in query])


def squared(q, c):
    return -np.sum((q - c) ** 2)


def cosine(q, c):
    return q @ c / np.linalg.norm(q) / np.linalg.norm(c)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(
    "distance, score", [("squared_euclidean", squared), ("cosine", cosine)]
)
@pytest.mark.parametrize("learned", [False, True])
def test_logits_are_scores_over_the_temperature(distance, score, learned):
    learner = ProtoNet(
        linear(), distance=distance, temperature=0.5, learn_temperature=learned
    )
    assert len(learner.rescale.trainable_variables) == learned
    temperature = 0.5
    if learned:
        learner.rescale.set_weights([np.log(4.0)])
        temperature = 2.0
    np.testing.assert_allclose(
        solved(learner, *task()),
        expected(learner, *task(), score) / temperature,
        rtol=1e-9,
    )


def test_the_default_is_that_of_the_paper():
    learner = ProtoNet(linear())
    assert len(learner.weights) == 2
    np.testing.assert_allclose(
        solved(learner, *task()), expected(learner, *task(), squared), rtol=1e-4
    )


def test_a_learned_temperature_has_an_exact_gradient():
    learner = ProtoNet(linear(), distance="cosine", learn_temperature=True)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    support_x, query_x = (tf.constant(x[None]) for x in task())
    x = {
        "support_x": support_x,
        "support_y": tf.constant(LABELS[None]),
        "query_x": query_x,
    }
    query_y = tf.constant([[0, 1, 2, 0, 1]])
    assert km.testing.verify_meta_gradient(learner, x, query_y) < 1e-6


def test_half_precision_does_not_overflow():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        backbone = linear()
    finally:
        keras.config.set_dtype_policy(policy)
    support_x, query_x = task()
    logits = solved(ProtoNet(backbone), 300 * support_x, 300 * query_x)
    assert logits.dtype == "float32"
    assert np.isfinite(logits).all()
    assert logits.min() < -65504  # The largest number in half precision.


def test_configuration():
    learner = ProtoNet(
        linear(), 3, "cosine", temperature=0.1, learn_temperature=True
    )
    copy = ProtoNet.from_config(learner.get_config())
    assert copy.get_config() == learner.get_config()
    assert copy.distance == "cosine"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"distance": "manhattan"}, "distance='manhattan'"),
        ({"temperature": 0}, "temperature=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        ProtoNet(linear(), **arguments)
