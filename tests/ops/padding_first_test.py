import numpy as np
import tensorflow as tf

from kerasmeta.ops.padding_first import padding_first


def test_what_counts_keeps_its_order():
    x = np.arange(24).reshape(2, 4, 3)
    mask = np.array([[1, 0, 1, 0], [1, 1, 1, 1]])
    (moved, labels), moved_mask = padding_first(
        [tf.constant(x), tf.constant(x[..., 0])], mask
    )
    np.testing.assert_array_equal(moved, [x[0, [1, 3, 0, 2]], x[1]])
    np.testing.assert_array_equal(labels, moved[..., 0])
    np.testing.assert_array_equal(
        moved_mask, [[False, False, True, True], [True] * 4]
    )
