import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.linear_features import append_ones
from kerasmeta.ops.linear_features import full_precision
from kerasmeta.ops.linear_features import smaller_system


@pytest.mark.parametrize(
    "given, expected",
    [
        ("float16", "float32"),
        ("bfloat16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
def test_half_precision_is_widened(given, expected):
    assert full_precision(tf.zeros(2, given)).dtype == expected


def test_the_last_feature_is_one():
    x = append_ones(tf.constant([[2.0, np.nan]]))
    np.testing.assert_array_equal(x, [[2.0, np.nan, 1.0]])


@pytest.mark.parametrize(
    "shape, expected", [((4, 2, 3), "dual"), ((4, 3, 3), "primal")]
)
@pytest.mark.parametrize("is_known", [True, False])
def test_the_smaller_system_is_solved(shape, expected, is_known):
    signature = shape if is_known else [None, None, None]

    @tf.function(input_signature=[tf.TensorSpec(signature)])
    def solved(x):
        return smaller_system(
            x, lambda: tf.constant("dual"), lambda: tf.constant("primal")
        )

    assert solved(tf.zeros(shape)) == expected
