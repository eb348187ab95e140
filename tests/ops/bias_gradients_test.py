import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.bias_gradients import separate_bias_gradients


def network_gradients(order=1):
    """Gradients of a small convolution, and what TensorFlow ran for them."""
    keras.utils.set_random_seed(0)
    layer = keras.layers.Conv2D(3, 3, bias_initializer="ones")
    x = tf.random.stateless_normal([2, 6, 6, 1], [0, 1])
    layer.build(x.shape)

    @tf.function
    def gradients():
        with tf.GradientTape() as outer, tf.GradientTape() as inner:
            loss = tf.reduce_sum(tf.tanh(layer(x)))
            gradients = inner.gradient(loss, layer.trainable_variables)
            norm = sum(tf.reduce_sum(g**2) for g in gradients)
        if order == 1:
            return gradients
        return outer.gradient(norm, layer.trainable_variables)

    return gradients(), gradients.get_concrete_function().graph


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_are_the_same(order):
    expected, _ = network_gradients(order)
    with separate_bias_gradients():
        received, _ = network_gradients(order)
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def are_apart():
    """Whether bias and filters get their gradients from different tensors.

    TensorFlow merges them where they are from the same.
    """
    places = {"Conv2DBackpropFilter": 2, "BiasAddGrad": 0}
    upstream = [
        operation.inputs[places[operation.type]].name
        for operation in network_gradients()[1].get_operations()
        if operation.type in places
    ]
    assert len(upstream) == 2
    return upstream[0] != upstream[1]


def test_values_and_everything_else_are_those_of_tensorflow():
    image = tf.random.stateless_normal([2, 3, 4, 5], [0, 1])
    with separate_bias_gradients():
        for x in (image, image[0], image[0, 0], tf.cast(image, "float16")):
            bias = tf.cast(tf.range(5), x.dtype)
            np.testing.assert_array_equal(tf.nn.bias_add(x, bias), x + bias)
        np.testing.assert_array_equal(
            tf.nn.bias_add(image, tf.range(3.0), "NCHW"),
            image + tf.range(3.0)[:, None, None],
        )


def test_scope_is_of_its_thread_and_ends():
    received = []
    thread = threading.Thread(target=lambda: received.append(are_apart()))
    with separate_bias_gradients():
        assert are_apart()
        with pytest.raises(RuntimeError), separate_bias_gradients():
            raise RuntimeError
        assert are_apart()
        thread.start()
        thread.join()
    assert received == [False] and not are_apart()
