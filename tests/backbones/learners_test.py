"""Large backbones, trained by a learner."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

BACKBONES = {
    "resnet12": lambda: km.backbones.resnet12(
        (32, 32, 3), filters=(4, 6, 8, 10)
    ),
    "wrn28_10": lambda: km.backbones.wrn28_10((32, 32, 3)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_a_step_moves_every_kernel(name):
    keras.utils.set_random_seed(0)
    backbone = BACKBONES[name]()
    learner = km.learners.ProtoNet(backbone)
    learner.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    images = np.random.default_rng(0).normal(size=(1, 4, 32, 32, 3))
    episode = {
        "support_x": tf.constant(images[:, :2], "float32"),
        "support_y": tf.constant([[0, 1]]),
        "query_x": tf.constant(images[:, 2:], "float32"),
    }
    data = tf.data.Dataset.from_tensors((episode, tf.constant([[0, 1]])))
    before = [w.numpy() for w in backbone.trainable_weights]
    history = learner.fit(data, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    for weight, old in zip(backbone.trainable_weights, before, strict=True):
        if weight.name == "kernel":
            assert np.abs(weight.numpy() - old).max() > 0, weight.path
