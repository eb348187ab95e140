"""Models that have learned one task."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (km.learners.ProtoNet, {}),
        (km.learners.MAML, {"batch_norm": "moving"}),
    ],
)
def test_they_keep_what_normalization_learned(make, options):
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 10)
    x = 100 + 50 * generator.normal(size=(4, 8))[y]
    x += 25 * generator.normal(size=x.shape)
    layer = keras.layers.Normalization()
    layer.adapt(x)
    network = keras.Sequential(
        [
            keras.Input((8,)),
            layer,
            keras.layers.Dense(6),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.Dense(4),
        ]
    )
    learner = make(network, **options)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    model = learner.adapted_model(x, y)
    state = learner.adapt(tf.constant(x, "float32"), tf.constant(y, "int32"))
    expected = learner.predict_query(state, tf.constant(x, "float32"))
    np.testing.assert_allclose(
        model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4
    )
