import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes.python_load import _Calls
from kerasmeta.episodes.python_load import python_load

ENDLESS = """
import tensorflow as tf
from kerasmeta.episodes.python_load import python_load

data = tf.data.Dataset.counter().batch(8).map(
    lambda ids: python_load(lambda ids: ids, ids, tf.int64), tf.data.AUTOTUNE
)
iterator = iter(data.prefetch(tf.data.AUTOTUNE))
for _ in range(20):
    next(iterator)
"""


def test_loads_what_the_function_returns():
    ids = tf.constant([3, 1], "int64")
    words = np.array([b"a", b"b\0", b"c", b"d\0\0"], dtype=object)
    loaded = tf.function(
        lambda ids: python_load(
            lambda ids: [words[ids], ids * 2.0], ids, [tf.string, tf.float64]
        )
    )(ids)
    assert loaded[0].numpy().tolist() == [b"d\0\0", b"b\0"]
    assert loaded[1].numpy().tolist() == [6.0, 2.0]


def test_errors_keep_their_words():
    def read(ids):
        raise ValueError(f"no such file: {ids[0]}.png")

    with pytest.raises(tf.errors.InvalidArgumentError, match="file: 7.png"):
        tf.function(lambda ids: python_load(read, ids, tf.float32))(
            tf.constant([7], "int64")
        )


def test_closed_calls_are_refused():
    calls = _Calls()
    assert calls.run(lambda x: x + 1, 1) == 2
    calls.close()
    assert not calls._is_busy()
    with pytest.raises(RuntimeError, match="about to end"):
        calls.run(lambda x: x + 1, 1)


def test_a_process_ends_though_its_pipeline_is_endless():
    subprocess.run([sys.executable, "-c", ENDLESS], check=True, timeout=120)
