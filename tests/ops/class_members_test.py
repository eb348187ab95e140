import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.class_members import class_members

LABELS = np.array([[0, 2, 1, 2], [1, 1, 0, 0]])
MASK = np.array([[True, True, False, True], [True] * 3 + [False]])


@pytest.mark.parametrize("dtype", ["bool", "float32", "float64", "int32"])
def test_one_for_the_class_of_each_example(dtype):
    members = class_members(LABELS, 3, dtype=dtype)
    assert members.dtype == dtype
    np.testing.assert_array_equal(members, np.eye(3)[LABELS])


@pytest.mark.parametrize("mask", [MASK, MASK.astype("float32")])
def test_padding_belongs_to_no_class(mask):
    members = class_members(LABELS, 3, mask, "float32")
    np.testing.assert_array_equal(members, np.eye(3)[LABELS] * MASK[..., None])


def test_labels_of_padding_may_be_anything():
    labels = np.where(MASK, LABELS, [[-1], [7]])
    np.testing.assert_array_equal(
        class_members(labels, 3, MASK), class_members(LABELS, 3, MASK)
    )


def test_a_number_of_classes_that_is_a_tensor():
    counted = tf.function(
        lambda labels: class_members(labels, tf.reduce_max(labels) + 1),
        input_signature=[tf.TensorSpec([None, None], "int32")],
    )
    np.testing.assert_array_equal(counted(LABELS), np.eye(3)[LABELS])
