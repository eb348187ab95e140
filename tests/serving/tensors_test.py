"""What a request costs, and dtypes that NumPy does not know."""

import json
import tracemalloc

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.serving.body import parse
from kerasmeta.serving.errors import BadRequest
from kerasmeta.serving.tensors import read_tensors


def bytes_for_each_byte(value, shape):
    """Return how much memory JSON takes at most, while it is read."""
    body = b'{"x": [%s]}' % b",".join([value] * (40_000 // len(value)))
    tracemalloc.start()
    try:
        read_tensors(parse(body), {"x": tf.TensorSpec(shape)}, 10**6)
        return tracemalloc.get_traced_memory()[1] / len(body)
    finally:
        tracemalloc.stop()


def test_memory_of_a_request():
    """The docs say ten times as much, and sixty at most."""
    assert bytes_for_each_byte(b"0.5", [None]) < 15
    for depth in (1, 2, 8, 24):
        value = b"[" * depth + b"0" + b"]" * depth
        assert bytes_for_each_byte(value, [None, *[1] * depth]) < 65


def test_long_names_are_not_told_whole():
    with pytest.raises(BadRequest) as refused:
        read_tensors({"x" * 10**6: 0}, {"x": tf.TensorSpec([None])}, 10)
    assert len(refused.value.reason) < 300


def test_bfloat16():
    specs = {"x": tf.TensorSpec([None, 2], "bfloat16")}
    array = read_tensors({"x": [[1, 2.5]]}, specs, 10)["x"]
    assert tf.convert_to_tensor(array).dtype == "bfloat16"
    # What an answer is made of.
    assert json.dumps(array.tolist()) == "[[1.0, 2.5]]"
    for value, message in (
        (True, "must hold numbers, for it is bfloat16"),
        (1e39, "has NaN or infinity"),
        (float("nan"), "has NaN or infinity"),
    ):
        with pytest.raises(BadRequest) as refused:
            read_tensors({"x": [[1, value]]}, specs, 10)
        assert message in refused.value.reason
    assert np.asarray(array).shape == (1, 2)
