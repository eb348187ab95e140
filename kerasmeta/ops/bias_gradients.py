"""Gradients of biases beside those of convolutions, not merged with them.

On a CPU TensorFlow merges the gradient of a bias with that of the filters of
its convolution into one operation of oneDNN. Where images are large or have few
channels, it takes several times as long as the two by themselves: 19 ms in
place of 4 ms for the 64 filters of 100 images of 28x28x1. Within
`separate_bias_gradients()` the bias gets its gradient from a reshaped view of
what the filters get theirs from, in which TensorFlow sees nothing to merge.
Values and gradients are the same.

As in `exact_gradients`, the replacement is installed once and asks a
thread-local flag.
"""

import functools

import tensorflow as tf

from kerasmeta.utils.thread_scope import ThreadScope

_is_separate = ThreadScope(False)
_tf_bias_add = tf.nn.bias_add


def separate_bias_gradients():
    """Keep gradients of biases of images separate in this thread and scope."""
    return _is_separate.holding(True)


@functools.wraps(_tf_bias_add)
def _bias_add(value, bias, data_format=None, name=None):
    shape = getattr(value, "shape", tf.TensorShape(None))
    is_image = shape.rank == 4 and shape[-1] is not None
    if not _is_separate.value or not is_image or data_format == "NCHW":
        return _tf_bias_add(value, bias, data_format, name)
    return _bias_add_apart(value, bias)


@tf.custom_gradient
def _bias_add_apart(value, bias):
    def gradients(upstream):
        pixels = tf.reshape(upstream, [-1, upstream.shape[-1]])
        return upstream, tf.raw_ops.BiasAddGrad(out_backprop=pixels)

    return _tf_bias_add(value, bias), gradients


tf.nn.bias_add = _bias_add
