import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.exact_max_pool import exact_max_pool


def images(*shape):
    # Few different numbers, so that there are ties.
    draw = np.random.default_rng(0).integers(0, 6, size=shape)
    return tf.constant(draw, "float32")


def derivatives(pool, x):
    """Return values, first and second derivatives along a direction."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = pool(x)
            value = tf.reduce_sum(tf.sin(y))
        first = inner.gradient(value, x)
        slope = tf.reduce_sum(first * tf.cos(x))
    return y, first, outer.gradient(slope, x)


@pytest.mark.parametrize("padding", ["VALID", "SAME"])
@pytest.mark.parametrize(
    "ksize, strides",
    [(2, 2), (3, 2), ((3, 1), (1, 2)), ([1, 2, 3, 1], [1, 2, 1, 1])],
)
def test_it_is_the_pooling_of_tensorflow_at_all_orders(ksize, strides, padding):
    x = images(2, 7, 6, 3)
    received = derivatives(
        lambda t: exact_max_pool(t, ksize, strides, padding), x
    )
    expected = derivatives(
        lambda t: tf.nn.max_pool(t, ksize, strides, padding), x
    )
    for one, other in zip(received, expected):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 9, 3), (2, 5, 4, 6, 3)])
def test_one_and_three_axes_of_space(shape):
    x = images(*shape)
    np.testing.assert_array_equal(
        exact_max_pool(x, 2, 2, "SAME"), tf.nn.max_pool(x, 2, 2, "SAME")
    )


def test_xla_is_exact_where_numbers_are_close():
    """They differ beyond the 16 bits that XLA's own derivative looks at."""
    draw = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    x = tf.constant(1 + 1e-4 * draw, "float32")

    def pool(t):
        return exact_max_pool(t, 2, 2, "VALID")

    compiled = tf.function(lambda t: derivatives(pool, t), jit_compile=True)
    expected = derivatives(lambda t: tf.nn.max_pool(t, 2, 2, "VALID"), x)
    for one, other in zip(compiled(x), expected):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_unknown_sizes():
    pool = tf.function(
        lambda t: exact_max_pool(t, 3, 2, "SAME"),
        input_signature=[tf.TensorSpec([None, None, None, 1])],
    )
    x = images(1, 7, 8, 1)
    np.testing.assert_array_equal(pool(x), tf.nn.max_pool(x, 3, 2, "SAME"))
