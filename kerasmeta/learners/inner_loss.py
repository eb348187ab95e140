"""The loss of the inner loop."""

import tensorflow as tf

from kerasmeta.learners.loss_values import check_each
from kerasmeta.learners.loss_values import loss_values


def inner_loss_value(losses, weights, y, y_pred, mask=None):
    """Return the loss on a support set, one scalar.

    Keras' own reduction cannot be used here: it divides by the number of
    replicas, which is right for the outer loss and wrong for an inner one.

    Args:
        losses: What `compile(loss=)` takes: a name, function or
            `keras.losses.Loss`, or a list or dictionary of them for a network
            with several outputs.
        weights: What `compile(loss_weights=)` takes, or `None`.
        y: Targets, `[S, ...]`, a nest like the outputs.
        y_pred: Outputs of the network, `[S, ...]`.
        mask: Optional `[S]`, true for the examples that count.
    """
    if not isinstance(losses, (list, tuple, dict)):
        return _mean_loss(losses, y, y_pred, mask)
    names = list(losses if isinstance(losses, dict) else range(len(losses)))
    total = 0.0
    for name in names:
        if losses[name] is not None:
            weight = 1.0 if weights is None else weights[name]
            value = _mean_loss(losses[name], y[name], y_pred[name], mask)
            total += weight * value
    return total


def _mean_loss(loss, y, y_pred, mask):
    values = loss_values(loss, y, y_pred)
    if mask is not None:
        check_each(loss, values)
        mask = tf.cast(mask, values.dtype)
        mask = tf.reshape(mask, [-1] + [1] * (values.shape.rank - 1))
        mask = tf.broadcast_to(mask, tf.shape(values))
        values *= mask
    if getattr(loss, "reduction", None) == "sum":
        return tf.reduce_sum(values)
    if mask is None:
        return tf.reduce_mean(values)
    return tf.math.divide_no_nan(tf.reduce_sum(values), tf.reduce_sum(mask))
