import pytest
import tensorflow as tf

from kerasmeta.episodes.error_reason import error_reason


def test_names_of_operations_are_left_out():
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        tf.io.decode_png(b"no image")
    assert "{{" in error.value.message
    assert error_reason(error.value).startswith("Unknown image file format")
    assert "Op:" not in error_reason(error.value)


def test_names_of_nodes_are_left_out():
    data = tf.data.Dataset.from_tensors(b"no image").map(tf.io.decode_png)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        next(iter(data))
    reason = error_reason(error.value)
    assert "Unknown image file format" in reason
    assert "{{" not in reason and "[" not in reason
