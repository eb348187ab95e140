import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops import exact_gradients
from kerasmeta.ops.hessian_vector_product import hessian_vector_product

GENERATOR = np.random.default_rng(0)


def draw(*shape):
    return tf.constant(GENERATOR.normal(size=shape))


def test_of_a_quadratic_is_its_matrix():
    root = GENERATOR.normal(size=(4, 4))
    matrix = root + root.T

    def half_square(weights):
        return tf.tensordot(weights[0], matrix @ weights[0][:, None], 1) / 2

    product = hessian_vector_product(
        lambda w: tf.squeeze(half_square(w)), [draw(4)]
    )
    for _ in range(2):  # One function, many products.
        vector = draw(4)
        np.testing.assert_allclose(
            product([vector])[0], matrix @ vector.numpy(), rtol=1e-10
        )


def test_weights_without_curvature_get_zero():
    product = hessian_vector_product(
        lambda w: tf.reduce_sum(w[0]) + tf.reduce_sum(w[1] ** 2),
        [draw(2), draw(3), draw(1)],
    )
    vectors = [draw(2), draw(3), draw(1)]
    products = product(vectors)
    np.testing.assert_array_equal(products[0], np.zeros(2))
    np.testing.assert_allclose(products[1], 2 * vectors[1])
    np.testing.assert_array_equal(products[2], np.zeros(1))


def test_of_an_embedding_is_dense():
    product = hessian_vector_product(
        lambda w: tf.reduce_sum(tf.gather(w[0], [0, 2, 2]) ** 2), [draw(3, 1)]
    )
    (column,) = product([tf.ones([3, 1], "float64")])
    np.testing.assert_allclose(column, [[2.0], [0.0], [4.0]])


@pytest.mark.parametrize("norm", ["Batch", "Layer"])
@pytest.mark.parametrize("compiled", [False, True])
def test_is_exact_through_normalization(norm, compiled):
    layer = getattr(keras.layers, f"{norm}Normalization")
    network = keras.Sequential(
        [
            keras.Input((3,), dtype="float64"),
            keras.layers.Dense(4, dtype="float64"),
            layer(dtype="float64"),
            keras.layers.Dense(1, activation="tanh", dtype="float64"),
        ]
    )
    x, y = draw(7, 3), draw(7, 1)
    rest = network.non_trainable_variables

    def loss(weights):
        with exact_gradients():
            outputs, _ = network.stateless_call(weights, rest, x, training=True)
        return tf.reduce_mean((outputs - y) ** 2)

    def gradients(weights):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            value = loss(weights)
        return tape.gradient(value, weights)

    weights = [tf.identity(v) for v in network.trainable_variables]
    vectors = [draw(*w.shape) for w in weights]

    def multiply(vectors):
        return hessian_vector_product(loss, weights)(vectors)

    multiply = tf.function(multiply) if compiled else multiply
    ahead = gradients([w + 1e-6 * v for w, v in zip(weights, vectors)])
    behind = gradients([w - 1e-6 * v for w, v in zip(weights, vectors)])
    for received, up, down in zip(multiply(vectors), ahead, behind):
        expected = (up - down) / 2e-6
        np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-7)
