import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.layers.attention_pooling import AttentionPooling

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 0, 0, 0], [1, 0, 1, 1, 1], [0, 0, 0, 0, 0]], bool)


def trained(units=6):
    layer = AttentionPooling(units)
    layer.build(X.shape)
    layer.set_weights(
        [GENERATOR.normal(size=w.shape) for w in layer.get_weights()]
    )
    return layer


def by_hand(layer, x):
    kernel, bias, vector = layer.get_weights()
    powers = np.exp(np.tanh(x @ kernel + bias) @ vector)
    return (powers / powers.sum() * x).sum(axis=0)


def test_formula():
    layer = trained()
    outputs = layer(X, mask=MASK)
    for i in range(2):
        np.testing.assert_allclose(
            outputs[i], by_hand(layer, X[i][MASK[i]]), rtol=1e-4, atol=1e-5
        )
    np.testing.assert_array_equal(outputs[2], 0)
    np.testing.assert_allclose(
        layer(X)[0], by_hand(layer, X[0]), rtol=1e-4, atol=1e-5
    )


def test_padding_may_hold_anything():
    layer = trained()
    x = tf.constant(np.where(MASK[..., None], X, np.nan))
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, mask=MASK)
    np.testing.assert_allclose(outputs, layer(X, mask=MASK), rtol=1e-5)
    sources = [x, *layer.trainable_variables]
    for gradient in tape.gradient(outputs, sources):
        assert np.isfinite(gradient).all()


def test_it_begins_as_the_mean():
    np.testing.assert_allclose(
        AttentionPooling()(X), X.mean(1), rtol=1e-5, atol=1e-6
    )


def test_half_precision_is_finite():
    layer = AttentionPooling(dtype="mixed_float16")
    outputs = layer(4000.0 * np.ones((1, 100, 2)), mask=np.ones((1, 100), bool))
    np.testing.assert_allclose(outputs, 4000, rtol=1e-2)


def test_takes_the_mask_of_an_embedding():
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    network = keras.Model(inputs, trained()(x))
    short, long = network(np.array([[3, 5]])), network(np.array([[3, 5, 0, 0]]))
    np.testing.assert_allclose(short, long, rtol=1e-5)
    assert network.output_shape == (None, 4)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: units=0"):
        AttentionPooling(0)
