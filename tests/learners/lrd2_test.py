import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

import kerasmeta as km


def linear(width):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(width)])


def with_ones(learner, x):
    embeddings = learner.backbone(x).numpy().astype("float64")
    return np.concatenate([embeddings, np.ones_like(embeddings[:, :1])], -1)


@pytest.mark.parametrize("width", [4, 12])
def test_logits_are_log_odds_of_one_class_against_the_rest(width):
    learner = km.learners.LRD2(
        linear(width), newton_steps=10, initial_penalty=0.5
    )
    generator = np.random.default_rng(0)
    x = generator.normal(size=(7, 3)).astype("float32")
    query_x = generator.normal(size=(5, 3)).astype("float32")
    y = np.array([0, 1, 2, 2, 1, 0, 1])
    state = learner.adapt(tf.constant(x), tf.constant(y))
    logits = learner.predict_query(state, query_x)
    for n in range(3):
        model = LogisticRegression(C=2.0, fit_intercept=False, tol=1e-8)
        model.fit(with_ones(learner, x), y == n)
        expected = model.decision_function(with_ones(learner, query_x))
        np.testing.assert_allclose(logits[:, n], expected, rtol=1e-3, atol=1e-4)


def test_the_penalty_is_learned():
    learner = km.learners.LRD2(linear(4), initial_penalty=2.0)
    assert float(learner.log_penalty) == pytest.approx(np.log(2.0))
    assert any(v is learner.log_penalty for v in learner.trainable_variables)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"newton_steps": 0}, "newton_steps=0"),
        ({"initial_penalty": 0.0}, "initial_penalty=0.0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        km.learners.LRD2(linear(4), **arguments)
