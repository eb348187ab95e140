import threading

import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.ops.exact_gradients import _tf_moments


def curvature(moments):
    """Second derivative of a function of the variance, along ones."""
    x = tf.constant([[1.0, 2.0], [4.0, 3.0], [0.5, 7.0]], "float64")
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = tf.reduce_sum(moments(x, [0])[1] ** 2)
        slope = tf.reduce_sum(inner.gradient(value, x)[0])
    return outer.gradient(slope, x).numpy()


def exact_curvature():
    """The same by NumPy: d/dx of sum_j 4 v_j (x_0j - m_j) / n."""
    x = np.array([[1.0, 2.0], [4.0, 3.0], [0.5, 7.0]])
    n = len(x)
    centred, variance = x - x.mean(0), x.var(0)
    delta = np.zeros_like(x)
    delta[0] = 1
    return 8 * centred * centred[0] / n**2 + 4 * variance * (delta - 1 / n) / n


def test_second_order_is_exact_within_the_scope():
    with km.ops.exact_gradients():
        received = curvature(tf.nn.moments)
    np.testing.assert_allclose(received, exact_curvature(), rtol=1e-12)


def test_tensorflow_still_needs_it():
    """When this fails, TensorFlow is mended: delete `exact_gradients`."""
    assert not np.allclose(curvature(_tf_moments), exact_curvature())


def test_outside_of_the_scope_nothing_changes():
    np.testing.assert_array_equal(
        curvature(tf.nn.moments), curvature(_tf_moments)
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axes", [[0], [0, 2], [-1], 1])
def test_values_are_those_of_tensorflow(dtype, keepdims, axes):
    x = tf.cast(np.random.default_rng(0).normal(size=(4, 5, 6)), dtype)
    with km.ops.exact_gradients():
        received = tf.nn.moments(x, axes, keepdims=keepdims)
    for one, other in zip(received, _tf_moments(x, axes, keepdims=keepdims)):
        assert one.dtype == other.dtype and one.shape == other.shape
        np.testing.assert_array_equal(
            tf.cast(one, "float64"), tf.cast(other, "float64")
        )


def test_first_order_gradients_are_unchanged():
    x = tf.cast(np.random.default_rng(0).normal(size=(8, 3)), "float64")

    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(x)
            mean, variance = tf.nn.moments(x, [0])
            value = tf.reduce_sum(tf.sin(mean) + tf.cos(variance))
        return tape.gradient(value, x)

    with km.ops.exact_gradients():
        received = gradient()
    np.testing.assert_allclose(received, gradient(), rtol=1e-12, atol=1e-15)


def test_scopes_nest_and_survive_errors():
    with km.ops.exact_gradients():
        with pytest.raises(RuntimeError), km.ops.exact_gradients():
            raise RuntimeError
        np.testing.assert_allclose(curvature(tf.nn.moments), exact_curvature())
    assert not np.allclose(curvature(tf.nn.moments), exact_curvature())


def test_other_threads_are_not_affected():
    received = []
    thread = threading.Thread(
        target=lambda: received.append(curvature(tf.nn.moments))
    )
    with km.ops.exact_gradients():
        thread.start()
        thread.join()
    np.testing.assert_array_equal(received[0], curvature(_tf_moments))
