import keras
import numpy as np

from kerasmeta.layers.masked_mean import MaskedMean


def test_is_the_mean_of_what_the_mask_keeps():
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    mask = np.array(
        [[1, 1, 0, 0, 0], [1, 0, 1, 1, 1], [0, 0, 0, 0, 0]], dtype=bool
    )
    outputs = MaskedMean()(np.where(mask[..., None], x, np.nan), mask=mask)
    for i in range(2):
        np.testing.assert_allclose(
            outputs[i], x[i][mask[i]].mean(0), rtol=1e-5, atol=1e-6
        )
    np.testing.assert_array_equal(outputs[2], 0)


def test_without_a_mask_it_is_the_mean():
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
    np.testing.assert_allclose(MaskedMean()(x), x.mean(1), rtol=1e-5, atol=1e-6)


def test_does_not_overflow_in_half_precision():
    x = np.full((1, 100, 2), 4000.0)
    outputs = MaskedMean(dtype="float16")(x, mask=np.ones((1, 100), bool))
    np.testing.assert_allclose(outputs, 4000, rtol=1e-2)


def test_takes_the_mask_of_an_embedding():
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    network = keras.Model(inputs, MaskedMean()(x))
    short, long = network(np.array([[3, 5]])), network(np.array([[3, 5, 0, 0]]))
    np.testing.assert_allclose(short, long, rtol=1e-6)
    assert network.output_shape == (None, 4)
