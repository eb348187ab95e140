"""BatchNormalization that follows its own switch, not `training`.

Keras' `training` flag turns on two things at once: dropout, and normalization
with the statistics of the batch. Episodes need them apart: the transductive
papers normalize with batch statistics in evaluation too, where dropout must be
off. Within `batch_statistics(True)` every BatchNormalization layer of Keras
uses the statistics of its batch, within `batch_statistics(False)` its moving
statistics, and within `batch_statistics(None)`, or outside of any scope, what
`training` says.

The switch is thread-local and read when a layer is called.
"""

import contextlib
import functools
import threading

import keras

_scope = threading.local()
_keras_call = keras.layers.BatchNormalization.call


@contextlib.contextmanager
def batch_statistics(use):
    """Decide for this thread and scope what BatchNormalization uses."""
    before = getattr(_scope, "use", None)
    _scope.use = use
    try:
        yield
    finally:
        _scope.use = before


@functools.wraps(_keras_call)
def _call(self, inputs, training=None, mask=None):
    use = getattr(_scope, "use", None)
    return _keras_call(self, inputs, training if use is None else use, mask)


keras.layers.BatchNormalization.call = _call
