import keras
import numpy as np
import pytest

import kerasmeta as km

GENERATOR = np.random.default_rng(0)


def identity(size):
    inputs = keras.Input((size,))
    return keras.Model(inputs, inputs)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("centered", [True, False])
def test_formula(centered):
    support, query = GENERATOR.normal(size=(2, 6, 4))
    labels = np.array([0, 1, 2, 0, 1, 0])
    mean = GENERATOR.normal(size=4) if centered else None
    learner = km.learners.SimpleShot(identity(4), base_mean=mean)
    logits = learner.predict_query(learner.adapt(support, labels), query)

    def transform(x):
        x = x - mean if centered else x
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    z, q = transform(support), transform(query)
    for n in range(3):
        centroid = z[labels == n].mean(axis=0)
        expected = -((q - centroid) ** 2).sum(axis=1)
        np.testing.assert_allclose(logits[:, n], expected, rtol=1e-9, atol=1e-9)


def test_a_feature_at_the_mean_is_finite():
    learner = km.learners.SimpleShot(identity(3), base_mean=[1.0, 2.0, 3.0])
    x = np.array([[1.0, 2.0, 3.0], [4.0, 2.0, 3.0]])
    state = learner.adapt(x, np.array([0, 1]))
    assert np.isfinite(learner.predict_query(state, x)).all()


def test_the_mean_is_saved(tmp_path):
    learner = km.learners.SimpleShot(identity(2), base_mean=np.array([0.1, 7]))
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert loaded.get_config()["base_mean"] == [0.1, 7.0]


def test_a_mean_for_a_sub_classed_backbone():
    class SubClassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    backbone = SubClassed()
    backbone(np.zeros((1, 4)))
    learner = km.learners.SimpleShot(backbone, base_mean=np.zeros(3))
    x = GENERATOR.normal(size=(3, 4))
    state = learner.adapt(x, np.arange(3))
    assert learner.predict_query(state, x).shape == (3, 3)


@pytest.mark.parametrize(
    "mean", [[1.0, 2.0], [[1, 2, 3]], [1, np.nan, 3], "abc"]
)
def test_rejects_means_that_are_none(mean):
    with pytest.raises(ValueError, match="3 finite numbers"):
        km.learners.SimpleShot(identity(3), base_mean=mean)
