import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.layers.temperature import Temperature

SCORES = np.array([[1.0, -2.0], [0.5, 4.0]], "float32")


def test_a_fixed_temperature_divides():
    layer = Temperature(4.0)
    np.testing.assert_array_equal(layer(SCORES), SCORES / 4)
    assert not layer.weights


def test_a_learned_temperature_is_positive_and_learns():
    layer = Temperature(0.5, learned=True)
    np.testing.assert_allclose(layer(SCORES), SCORES * 2)
    layer.set_weights([np.log(3.0)])
    with tf.GradientTape() as tape:
        outputs = layer(SCORES)
        total = tf.reduce_sum(outputs)
    np.testing.assert_allclose(outputs, SCORES / 1.5, rtol=1e-6)
    [gradient] = tape.gradient(total, layer.trainable_variables)
    np.testing.assert_allclose(gradient, -SCORES.sum() / 1.5, rtol=1e-6)


def test_is_saved_with_its_model(tmp_path):
    x = keras.Input((2,))
    model = keras.Model(x, Temperature(0.5, learned=True)(x))
    model.set_weights([np.log(3.0)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(SCORES), model(SCORES))


@pytest.mark.parametrize("value", [0, -1.0, np.inf, "hot"])
def test_wrong_temperatures(value):
    with pytest.raises(ValueError, match="Received: initial_value="):
        Temperature(value)
