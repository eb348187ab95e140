import keras
import numpy as np
import pytest

from kerasmeta.layers.film import FiLM

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(4,), (5, 4), (5, 6, 4)])
def test_scales_and_shifts_each_channel(shape):
    features = GENERATOR.normal(size=(3, *shape)).astype("float32")
    context = GENERATOR.normal(size=(3, 2)).astype("float32")
    layer = FiLM()
    layer.build([features.shape, context.shape])
    kernel, bias = GENERATOR.normal(size=(2, 8)), GENERATOR.normal(size=8)
    layer.set_weights([kernel, bias])
    outputs = layer([features, context])
    for i in range(3):
        both = context[i] @ kernel + bias
        expected = features[i] * (1 + both[:4]) + both[4:]
        np.testing.assert_allclose(outputs[i], expected, rtol=1e-4, atol=1e-5)


def test_a_context_of_zeros_changes_nothing():
    features = GENERATOR.normal(size=(3, 4)).astype("float32")
    outputs = FiLM()([features, np.zeros((3, 2))])
    np.testing.assert_array_equal(outputs, features)


def test_is_saved_with_its_model(tmp_path):
    x, context = keras.Input((5, 5, 3)), keras.Input((2,))
    outputs = FiLM(kernel_initializer="ones")([x, context])
    assert outputs.shape == (None, 5, 5, 3)
    model = keras.Model([x, context], outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    data = [np.ones((1, 5, 5, 3)), np.array([[0.5, 1.0]])]
    np.testing.assert_allclose(loaded(data), np.full((1, 5, 5, 3), 4.0))


def test_works_in_half_precision():
    layer = FiLM(dtype="mixed_float16")
    outputs = layer([np.ones((2, 3, 4)), np.ones((2, 5))])
    assert outputs.dtype == "float16"
    assert layer.weights[0].dtype == "float32"


@pytest.mark.parametrize(
    "shape", [(3, 4), [(3, 4)], [(3, 4), (3,)], [(3, None), (3, 2)]]
)
def test_wrong_inputs(shape):
    with pytest.raises(ValueError, match="Received: input_shape="):
        FiLM().build(shape)
