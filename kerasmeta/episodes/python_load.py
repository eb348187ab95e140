"""Python functions in a data pipeline, that do not outlive Python."""

import atexit
import threading
import time

import tensorflow as tf

_QUIET_SECONDS = 0.1
_MOST_SECONDS = 5.0


class _Calls:
    """The calls that pipelines make, from threads of their own.

    An endless pipeline reads ahead for as long as its iterator lives. If that
    is until Python ends, a call then waits for an interpreter that is gone, and
    the process for the call, for ever.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.active = 0
        self.last = None
        self.is_closed = False

    def run(self, function, *args):
        with self.lock:
            self.last = time.monotonic()
            if self.is_closed:
                # Fills what the pipeline has room for; then it rests.
                raise RuntimeError("Python is about to end.")
            self.active += 1
        try:
            return function(*args)
        finally:
            with self.lock:
                self.active -= 1
                self.last = time.monotonic()

    def close(self):
        """Refuse calls, and wait until none are made any more."""
        with self.lock:
            self.is_closed = True
        deadline = time.monotonic() + _MOST_SECONDS
        while self._is_busy() and time.monotonic() < deadline:
            time.sleep(_QUIET_SECONDS / 10)

    def _is_busy(self):
        if self.last is None:
            return False
        return self.active or time.monotonic() - self.last < _QUIET_SECONDS


_calls = _Calls()
atexit.register(_calls.close)


def python_load(read, ids, dtype):
    """Load examples with a Python function, in a graph.

    Use it instead of `tf.numpy_function` in the `load` of a source.

    Args:
        read: Pure function from a vector of ids to an array, or to a list of
            arrays if `dtype` is a list.
        ids: int64 tensor `[n]`.
        dtype: Type of the array, or list of types.

    Returns:
        A tensor of unknown shape, or a list of them.
    """
    return tf.numpy_function(
        lambda ids: _calls.run(read, ids), [ids], dtype, stateful=False
    )
