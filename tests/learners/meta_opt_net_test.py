import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.svm import LinearSVC

import kerasmeta as km


def linear(width=4):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(width)])


@pytest.mark.parametrize("width", [4, 12])
def test_logits_are_those_of_scikit_learn(width):
    learner = km.learners.MetaOptNet(linear(width), initial_scale=3.0)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(9, 3)).astype("float32")
    query_x = generator.normal(size=(5, 3)).astype("float32")
    y = np.array([0, 1, 2, 2, 1, 0, 1, 0, 2])
    machine = LinearSVC(
        C=0.1,
        multi_class="crammer_singer",
        fit_intercept=False,
        tol=1e-8,
        max_iter=100_000,
    ).fit(learner.backbone(x), y)
    expected = 3.0 * machine.decision_function(learner.backbone(query_x))
    state = learner.adapt(tf.constant(x), tf.constant(y))
    np.testing.assert_allclose(
        learner.predict_query(state, query_x), expected, rtol=1e-3, atol=1e-4
    )


def test_the_scale_is_learned():
    learner = km.learners.MetaOptNet(linear())
    assert float(learner.scale) == 1.0
    assert any(v is learner.scale for v in learner.trainable_variables)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"cost": 0}, "cost=0"),
        ({"initial_scale": -1}, "initial_scale=-1"),
        ({"max_steps": 0}, "max_steps=0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        km.learners.MetaOptNet(linear(), **arguments)
