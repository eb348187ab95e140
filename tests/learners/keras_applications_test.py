"""Backbones of `keras.applications` in learners."""

import keras
import numpy as np
import pytest

import kerasmeta as km

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
SPEC = km.episodes.EpisodeSpec(ways=3, shots=2, queries=2)


def pictures():
    """Episodes of six colours, in noise."""
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(6), 8)
    x = generator.uniform(0, 255, size=(6, 1, 1, 3))[y]
    x = x + 20 * generator.normal(size=(len(y), 32, 32, 3))
    return km.episodes.episodes_from_arrays(
        x.astype("float32"), y, SPEC, batch_size=2, num_episodes=4
    )


def mobile_net():
    """Return a network of `keras.applications` with its preprocessing."""
    features = keras.applications.MobileNetV2(
        input_shape=(32, 32, 3),
        alpha=0.35,
        include_top=False,
        pooling="avg",
        weights=None,
    )
    inputs = keras.Input((32, 32, 3))
    x = keras.applications.mobilenet_v2.preprocess_input(inputs)
    return keras.Model(inputs, features(x))


def compiled(learner):
    learner.compile("adam", CROSSENTROPY, metrics=["accuracy"])
    return learner


@pytest.mark.slow
def test_proto_net_trains_a_keras_application(tmp_path):
    keras.utils.set_random_seed(0)
    learner = compiled(km.learners.ProtoNet(mobile_net()))
    before = [v.numpy() for v in learner.trainable_variables]
    history = learner.fit(pictures(), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert any(
        np.abs(v - old).max() > 0
        for v, old in zip(learner.trainable_variables, before)
    )
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    x, _ = next(iter(pictures()))
    np.testing.assert_allclose(loaded(x), learner(x), rtol=1e-4, atol=1e-5)
