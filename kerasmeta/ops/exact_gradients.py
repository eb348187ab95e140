"""Operations of Keras' layers whose second-order gradients are right.

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

`tf.nn.max_pool` is right, but XLA compiles its second derivative to one of low
precision; `exact_max_pool` says more.

Within `exact_gradients()` the same values are computed in other ways. The
replacements are installed once, when this module is imported, and ask a
thread-local flag at each call: outside the scope, and in other threads, the
functions of TensorFlow do what they always did.
"""

import functools

import tensorflow as tf

from kerasmeta.ops.exact_max_pool import exact_max_pool
from kerasmeta.utils.thread_scope import ThreadScope

# The argument of the innermost scope, or `None` outside.
_jit_compile = ThreadScope()
_tf_moments = tf.nn.moments
_tf_bias_add = tf.nn.bias_add
_tf_max_pool = tf.nn.max_pool


def exact_gradients(jit_compile=False):
    """Make gradients of second order exact in this thread and scope.

    Args:
        jit_compile: Whether XLA will compile what is computed.
    """
    return _jit_compile.holding(jit_compile)


@functools.wraps(_tf_moments)
def _moments(x, axes, shift=None, keepdims=False, name=None):
    if _jit_compile.value is None:
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
    if _jit_compile.value is None or not is_image or data_format == "NCHW":
        return _tf_bias_add(value, bias, data_format, name)
    return value + bias


tf.nn.bias_add = _bias_add


@functools.wraps(_tf_max_pool)
def _max_pool(input, ksize, strides, padding, data_format=None, name=None):
    is_known = padding in ("SAME", "VALID")
    is_last = data_format is None or data_format.endswith("C")
    if _jit_compile.value and is_known and is_last:
        return exact_max_pool(input, ksize, strides, padding)
    return _tf_max_pool(input, ksize, strides, padding, data_format, name)


tf.nn.max_pool = _max_pool
