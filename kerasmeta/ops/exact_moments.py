"""Second-order gradients that are right for Keras' normalization layers.

`tf.nn.moments` computes `variance = mean((x - stop_gradient(mean))**2)`. The
stopped term has gradient zero, so first-order gradients are right, but its
*derivative* is not zero: every second-order gradient through Keras'
BatchNormalization, LayerNormalization and GroupNormalization on TensorFlow is
silently wrong, by several hundred percent for MAML on a small convolutional
network.

`tf.nn.bias_add` has a flaw of another kind: oneDNN merges the gradient of a
bias with that of a convolution of the same upstream gradient, and at second
order can pick the wrong one of two, so that the graph has a cycle ("nodes in a
cycle") and does not run. A plain sum has no such gradient.

Within `exact_moments()` the same values are computed without the
`stop_gradient`. The replacement is installed once, when this module is
imported, and asks a thread-local counter at each call: outside the scope, and
in other threads, `tf.nn.moments` does what it always did.
"""

import contextlib
import functools
import threading

import tensorflow as tf

_scope = threading.local()
_tf_moments = tf.nn.moments
_tf_bias_add = tf.nn.bias_add


@contextlib.contextmanager
def exact_moments():
    """Make `tf.nn.moments` differentiable twice in this thread and scope."""
    _scope.depth = getattr(_scope, "depth", 0) + 1
    try:
        yield
    finally:
        _scope.depth -= 1


@functools.wraps(_tf_moments)
def _moments(x, axes, shift=None, keepdims=False, name=None):
    if not getattr(_scope, "depth", 0):
        return _tf_moments(x, axes, shift=shift, keepdims=keepdims, name=name)
    x = tf.convert_to_tensor(x)
    # Like the original: float16 sums overflow, so they are made in float32.
    wide = tf.cast(x, "float32") if x.dtype == tf.float16 else x
    mean = tf.reduce_mean(wide, axes, keepdims=True)
    variance = tf.reduce_mean(
        tf.math.squared_difference(wide, mean), axes, keepdims=keepdims
    )
    if not keepdims:
        mean = tf.reshape(mean, tf.shape(variance))
        mean.set_shape(variance.shape)
    return tf.cast(mean, x.dtype), tf.cast(variance, x.dtype)


tf.nn.moments = _moments


@functools.wraps(_tf_bias_add)
def _bias_add(value, bias, data_format=None, name=None):
    is_image = getattr(value, "shape", tf.TensorShape(None)).rank == 4
    if not getattr(_scope, "depth", 0) or not is_image or data_format == "NCHW":
        return _tf_bias_add(value, bias, data_format, name)
    return value + bias


tf.nn.bias_add = _bias_add
