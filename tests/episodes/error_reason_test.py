import pytest
import tensorflow as tf

from kerasmeta.episodes.error_reason import error_reason


def test_names_of_operations_are_left_out():
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        tf.io.decode_png(b"no image")
    assert "{{" in error.value.message
    assert error_reason(error.value).startswith("Unknown image file format")
    assert "Op:" not in error_reason(error.value)


REASON = "Unknown image file format"


@pytest.mark.parametrize("num_parallel_calls", [None, 2])
def test_steps_of_datasets_are_left_out(num_parallel_calls):
    data = tf.data.Dataset.from_tensors(b"no image")
    data = data.map(tf.io.decode_png, num_parallel_calls=num_parallel_calls)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        next(iter(data))
    assert "Iterator::Root" in error.value.message
    reason = error_reason(error.value)
    assert reason.startswith(REASON)
    assert "{{" not in reason and "[" not in reason


def test_lines_of_functions_are_left_out():
    @tf.function
    def outer(data):
        return inner(data)

    @tf.function
    def inner(data):
        return tf.io.decode_png(data)

    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        outer(tf.constant(b"no image"))
    assert "Detected at node" in error.value.message
    reason = error_reason(error.value)
    assert reason.startswith(REASON)
    assert "[" not in reason and "File " not in reason
