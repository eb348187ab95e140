import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.unit_vectors import unit_vectors

X = np.array([[3.0, 4.0], [300.0, -400.0], [1e-3, 0.0], [0.0, 0.0]])
UNITS = np.array([[0.6, 0.8], [0.6, -0.8], [1.0, 0.0], [0.0, 0.0]])
DTYPES = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-6, "float64": 1e-12}


@pytest.mark.parametrize("dtype", DTYPES)
def test_units_of_long_short_and_no_vectors(dtype):
    x = tf.constant(X, dtype)
    received, columns = unit_vectors(x), unit_vectors(tf.transpose(x), axis=0)
    assert received.dtype == dtype
    tolerance = DTYPES[dtype]
    for units in (received, tf.transpose(columns)):
        units = tf.cast(units, "float64")
        np.testing.assert_allclose(units, UNITS, atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients_are_those_of_the_formula_and_zero_at_zero(dtype):
    x = tf.constant(X, dtype)
    signs = np.array([1.0, -2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(unit_vectors(x) * tf.constant(signs, dtype))
    received = tf.cast(tape.gradient(total, x), "float64")
    lengths = np.array([5.0, 500.0, 1e-3, 1.0])[:, None]
    expected = (signs - UNITS * (UNITS @ signs)[:, None]) / lengths
    expected[3] = 0.0
    np.testing.assert_allclose(
        received * lengths, expected * lengths, atol=4 * DTYPES[dtype]
    )
