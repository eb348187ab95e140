import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import Ridge

import kerasmeta as km


def linear(width=4):
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(width)])


def task(seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(7, 3)).astype("float32")
    query_x = generator.normal(size=(5, 3)).astype("float32")
    return x, query_x


def with_ones(learner, x):
    embeddings = learner.backbone(x).numpy()
    return np.concatenate([embeddings, np.ones_like(embeddings[:, :1])], -1)


@pytest.mark.parametrize("width", [4, 12])
def test_logits_are_those_of_scikit_learn(width):
    learner = km.learners.R2D2(
        linear(width), initial_penalty=0.5, initial_scale=3.0
    )
    learner.bias.assign(0.25)
    x, query_x = task()
    y = np.array([0, 1, 2, 2, 1, 0, 1])
    ridge = Ridge(alpha=0.5, fit_intercept=False)
    ridge.fit(with_ones(learner, x), np.eye(3)[y])
    expected = 3.0 * ridge.predict(with_ones(learner, query_x)) + 0.25
    state = learner.adapt(tf.constant(x), tf.constant(y))
    np.testing.assert_allclose(
        learner.predict_query(state, query_x), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("outputs", [(), (1,), (2,)])
def test_regression_is_that_of_scikit_learn(outputs):
    learner = km.learners.R2D2(linear(), regression=True)
    x, query_x = task()
    y = np.random.default_rng(1).normal(size=(7, *outputs))
    ridge = Ridge(alpha=1.0, fit_intercept=False)
    ridge.fit(with_ones(learner, x), y)
    expected = ridge.predict(with_ones(learner, query_x)).reshape(5, -1)
    model = learner.adapted_model(x, y)
    np.testing.assert_allclose(
        model.predict(query_x, verbose=0), expected, rtol=1e-4, atol=1e-5
    )


def test_padding_of_regression_tasks():
    learner = km.learners.R2D2(linear(), regression=True)
    x, query_x = task()
    y = x[:, :2]
    mask = np.arange(7) < 4
    episodes = {"support_x": x, "support_y": y, "support_mask": mask}
    episodes = {**episodes, "query_x": query_x}
    padded = learner({k: tf.constant(v)[None] for k, v in episodes.items()})
    state = learner.adapt(tf.constant(x[:4]), tf.constant(y[:4]))
    np.testing.assert_allclose(
        padded[0], learner.predict_query(state, query_x), rtol=1e-4, atol=1e-5
    )
    masked = learner.adapted_model(x, y, mask)
    np.testing.assert_allclose(
        masked.predict(query_x, verbose=0), padded[0], rtol=1e-4, atol=1e-5
    )


def test_regression_learns_penalty_and_backbone_exactly():
    learner = km.learners.R2D2(km.backbones.mlp((1,), 6), regression=True)
    learner.compile(loss="mse")
    episodes = km.tasks.Sinusoid(shots=5).episodes(batch_size=2)
    data = next(iter(episodes))[:2]
    assert km.testing.verify_meta_gradient(learner, *data) < 1e-5
    assert len(learner.trainable_variables) == 7


def test_penalty_scale_and_bias_are_learned():
    learner = km.learners.R2D2(linear())
    names = {v.name for v in learner.trainable_variables}
    assert {"log_penalty", "scale", "bias"} <= names
    assert float(learner.log_penalty) == 0.0
    assert float(learner.scale) == 10.0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"initial_penalty": 0}, "initial_penalty=0"),
        ({"initial_scale": -1.0}, "initial_scale=-1.0"),
        ({"ways": 3, "regression": True}, "ways=3, regression=True"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        km.learners.R2D2(linear(), **arguments)


@pytest.mark.parametrize("y", [np.arange(7), np.zeros((7, 2, 2))])
def test_bad_regression_targets(y):
    learner = km.learners.R2D2(linear(), regression=True)
    with pytest.raises(ValueError, match="Regression takes float targets"):
        learner.adapted_model(task()[0], y)


def test_classes_of_floats_are_refused():
    learner = km.learners.R2D2(linear())
    with pytest.raises(ValueError, match="must be integers"):
        learner.adapted_model(task()[0], np.zeros(7))
