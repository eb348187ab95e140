import keras
import numpy as np
import pytest

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
SUPPORT = GENERATOR.normal(size=(6, 3))
QUERY = GENERATOR.normal(size=(7, 3))
LABELS = np.array([0, 1, 2, 0, 1, 0])


def logits_of(log_spread=None, **kwargs):
    inputs = keras.Input((3,))
    learner = km.learners.SoftKMeans(keras.Model(inputs, inputs), **kwargs)
    if log_spread is not None:
        learner.log_spread.assign(log_spread)
    return learner.predict_query(learner.adapt(SUPPORT, LABELS), QUERY)


def distances(a, b):
    return ((a[:, None] - b) ** 2).sum(axis=-1)


def reference(steps, spread=None):
    """The formulas of the paper, section 3.1, one example at a time."""
    prototypes = np.stack([SUPPORT[LABELS == n].mean(0) for n in range(3)])
    for _ in range(steps):
        sums = np.stack([SUPPORT[LABELS == n].sum(0) for n in range(3)])
        counts = np.bincount(LABELS).astype("float64")
        for x in QUERY:
            powers = np.exp(-((x - prototypes) ** 2).sum(axis=1))
            total = powers.sum()
            if spread is not None:
                total += np.exp(-(x**2).sum() / spread**2 - np.log(spread))
            sums += (powers / total)[:, None] * x
            counts += powers / total
        prototypes = sums / counts[:, None]
    return -distances(QUERY, prototypes)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("steps", [1, 3])
def test_formula(steps):
    np.testing.assert_allclose(
        logits_of(steps=steps), reference(steps), rtol=1e-9, atol=1e-9
    )


@pytest.mark.usefixtures("float64")
def test_distractors():
    received = logits_of(log_spread=np.log(2.5), distractors=True)
    np.testing.assert_allclose(
        received, reference(1, spread=2.5), rtol=1e-9, atol=1e-9
    )
    assert np.abs(received - logits_of()).max() > 0.01


def test_the_spread_is_trained_and_saved(tmp_path):
    inputs = keras.Input((3,))
    learner = km.learners.SoftKMeans(
        keras.Model(inputs, inputs), distractors=True
    )
    assert [v.name for v in learner.trainable_variables] == ["log_spread"]
    assert float(learner.log_spread) == pytest.approx(np.log(100.0))
    learner.log_spread.assign(0.7)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    assert float(loaded.log_spread) == pytest.approx(0.7)


def test_queries_far_from_all_prototypes_are_left_out():
    """From the wide spread that it begins with, and without training."""
    inputs = keras.Input((3,))
    learner = km.learners.SoftKMeans(
        keras.Model(inputs, inputs), distractors=True
    )
    state = learner.adapt(SUPPORT, LABELS)
    far = np.concatenate([QUERY, [[9.0, -9.0, 9.0]]])
    np.testing.assert_allclose(
        learner.predict_query(state, far)[:-1],
        learner.predict_query(state, QUERY),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", ["steps", "initial_spread"])
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"Received: {name}=-1"):
        logits_of(**{name: -1})
