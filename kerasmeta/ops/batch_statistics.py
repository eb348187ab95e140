"""BatchNormalization that follows its own switch, not `training`.

Keras' `training` flag turns on two things at once: dropout, and normalization
with the statistics of the batch. Episodes need them apart: the transductive
papers normalize with batch statistics in evaluation too, where dropout must be
off. Within `batch_statistics(True)` every BatchNormalization layer of Keras
uses the statistics of its batch, within `batch_statistics(False)` its moving
statistics, and within `batch_statistics(None)`, or outside of any scope, what
`training` says. With a mask, padded examples are left out of the statistics.
Batches of images are normalized in one fused pass, where that gives the same.

The switch is thread-local and read when a layer is called.
"""

import functools

import keras
import tensorflow as tf

from kerasmeta.ops.fused_batch_norm import fused_batch_norm
from kerasmeta.utils.thread_scope import ThreadScope

# Outside of any scope layers are left alone, as if gradients had to flow.
_settings = ThreadScope((None, None, True))
_keras_call = keras.layers.BatchNormalization.call
_keras_moments = keras.layers.BatchNormalization._moments


def batch_statistics(use, mask=None, through_moving=False):
    """Decide for this thread and scope what BatchNormalization uses.

    Args:
        use: Whether to use the statistics of the batch; `None` for what
            `training` says.
        mask: Which examples of the batch are real, bool `[n]`, or `None` if
            all are.
        through_moving: Whether gradients must flow through the moving
            statistics that the layers update.
    """
    return _settings.holding((use, mask, through_moving))


@functools.wraps(_keras_call)
def _call(self, inputs, training=None, mask=None):
    use, examples, through_moving = _settings.value
    use = training if use is None else use
    if not use or examples is not None or mask is not None or through_moving:
        return _keras_call(self, inputs, use, mask)
    if not _is_fusible(self, inputs):
        return _keras_call(self, inputs, use, mask)
    return _fused_call(self, inputs)


def _is_fusible(layer, inputs):
    return (
        layer.trainable
        and tf.is_tensor(inputs)
        and inputs.dtype == tf.float32
        and inputs.shape.rank == 4
        and layer.axis in (-1, 3)
        and not layer.renorm
        and not layer.synchronized
    )


def _fused_call(layer, inputs):
    """Do what Keras' layer does for a batch in training."""
    outputs, mean, variance = fused_batch_norm(
        inputs,
        tf.convert_to_tensor(layer.gamma) if layer.scale else None,
        tf.convert_to_tensor(layer.beta) if layer.center else None,
        layer.epsilon,
    )
    for moving, batch in [
        (layer.moving_mean, mean),
        (layer.moving_variance, variance),
    ]:
        moving.assign(moving * layer.momentum + batch * (1.0 - layer.momentum))
    return tf.cast(outputs, layer.compute_dtype)


@functools.wraps(_keras_moments)
def _moments(self, inputs, mask):
    examples = _settings.value[1]
    if examples is None:
        return _keras_moments(self, inputs, mask)
    # A network may have folded another axis into that of the examples.
    folds = tf.shape(inputs)[0] // tf.shape(examples)[0]
    ones = [1] * (inputs.shape.rank - 1)
    weights = tf.reshape(tf.repeat(examples, folds), [-1, *ones])
    weights = tf.cast(weights, inputs.dtype)
    if mask is not None:
        weights *= tf.cast(mask, inputs.dtype)[..., None]
    # Every number of the batch gets its weight, so that their sum counts.
    weights = tf.broadcast_to(weights, tf.shape(inputs))
    axes = self._reduction_axes
    replica = tf.distribute.get_replica_context()

    def total(values):
        values = tf.reduce_sum(values, axes, keepdims=True)
        if not self.synchronized or replica is None:
            return values
        return replica.all_reduce("SUM", values)

    count = total(weights)
    divisor = tf.maximum(count, 1)
    mean = total(weights * inputs) / divisor
    squares = weights * tf.math.squared_difference(inputs, mean)
    variance = total(squares) / divisor
    # Of a batch that is all padding there is nothing to learn.
    is_empty = tf.squeeze(count, axes) == 0
    return [
        tf.where(is_empty, tf.cast(moving, of_batch.dtype), of_batch)
        for moving, of_batch in [
            (tf.convert_to_tensor(self.moving_mean), tf.squeeze(mean, axes)),
            (
                tf.convert_to_tensor(self.moving_variance),
                tf.squeeze(variance, axes),
            ),
        ]
    ]


keras.layers.BatchNormalization.call = _call
keras.layers.BatchNormalization._moments = _moments
