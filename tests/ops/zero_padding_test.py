import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.zero_padding import zero_padding


@pytest.mark.parametrize("mask", [[True, False], [1, 0], [1.0, 0.0]])
def test_padding_is_never_read(mask):
    x = tf.constant([[1.0, 2.0], [np.nan, np.inf]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        zeroed = zero_padding(x, tf.constant(mask))
    np.testing.assert_array_equal(zeroed, [[1, 2], [0, 0]])
    np.testing.assert_array_equal(tape.gradient(zeroed, x), [[1, 1], [0, 0]])


def test_without_a_mask_nothing_is_padding():
    x = tf.ones((2, 3))
    assert zero_padding(x, None) is x


def test_nests_of_any_shape_and_type():
    nest = {
        "labels": tf.constant([[1, 2], [3, 4]]),
        "texts": tf.constant([["a", "b"], ["c", "d"]]),
        "images": tf.fill([2, 2, 3, 3], np.nan),
    }
    zeroed = zero_padding(nest, tf.constant([[True, False], [False, False]]))
    np.testing.assert_array_equal(zeroed["labels"], [[1, 0], [0, 0]])
    np.testing.assert_array_equal(zeroed["texts"], [[b"a", b""], [b"", b""]])
    images = zeroed["images"].numpy()
    assert np.isnan(images[0, 0]).all() and (images[1] == 0).all()
    assert (images[0, 1] == 0).all()


@pytest.mark.parametrize("shape", [[None, 5, 2], [None, None, 2], None])
def test_the_shape_stays_as_well_known_as_it_was(shape):
    @tf.function(
        input_signature=[tf.TensorSpec(shape), tf.TensorSpec(None, "bool")]
    )
    def zeroed(x, mask):
        cleared = zero_padding(x, mask)
        assert cleared.shape.as_list() == shape if shape else True
        return cleared

    received = zeroed(tf.ones((3, 5, 2)), tf.eye(3, 5) > 0)
    assert float(tf.reduce_sum(received)) == 6
