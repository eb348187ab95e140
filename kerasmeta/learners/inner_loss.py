"""The loss of the inner loop."""

import tensorflow as tf

from kerasmeta.learners.loss_values import check_each
from kerasmeta.learners.loss_values import loss_values
from kerasmeta.learners.loss_values import replaces_call
from kerasmeta.learners.queries import loss_weights


def inner_loss_value(losses, weights, y, y_pred, mask=None):
    """Return the loss on a support set, one scalar.

    Keras' own reduction cannot be used here: it divides by the number of
    replicas, which is right for the outer loss and wrong for an inner one. A
    loss that overrides `__call__` reduces by itself.

    Args:
        losses: What `compile(loss=)` takes: a name, function or
            `keras.losses.Loss`, or a list or dictionary of them for a network
            with several outputs. One loss is that of each output.
        weights: What `compile(loss_weights=)` takes, or `None`.
        y: Targets, `[S, ...]`, a nest like the outputs.
        y_pred: Outputs of the network, `[S, ...]`.
        mask: Optional `[S]`, true for the examples that count.

    Raises:
        ValueError: If there is not a weight for each loss, or there are
            several losses for one output.
    """
    weights = _weights_like(losses, weights)
    if not tf.nest.is_nested(losses):
        pairs = zip(tf.nest.flatten(y), tf.nest.flatten(y_pred), strict=True)
        parts = [(losses, weights, *pair) for pair in pairs]
    elif not tf.nest.is_nested(y_pred):
        parts = [(*_only(losses, weights), y, y_pred)]
    else:
        is_dict = isinstance(losses, dict)
        names = list(losses if is_dict else range(len(losses)))
        parts = [(losses[n], weights[n], y[n], y_pred[n]) for n in names]
    total = 0.0
    for loss, weight, *pair in parts:
        if loss is not None:
            total += weight * _mean_loss(loss, *pair, mask)
    return total


def _only(losses, weights):
    losses, weights = tf.nest.flatten(losses), tf.nest.flatten(weights)
    if len(losses) != 1:
        raise ValueError(
            "A network with one output has one loss. "
            f"Received: {len(losses)} losses, loss={losses}"
        )
    return losses[0], weights[0]


def _weights_like(losses, weights):
    """Return the weights, a number for each loss, as a nest like the losses."""
    count = len(tf.nest.flatten(losses))
    flat = [1.0] * count if weights is None else tf.nest.flatten(weights)
    if len(flat) != count:
        raise ValueError(
            "`loss_weights` must have a weight for each loss. Received: "
            f"loss_weights={weights} for {count} losses, loss={losses}"
        )
    return tf.nest.pack_sequence_as(losses, flat)


def _mean_loss(loss, y, y_pred, mask):
    if replaces_call(loss):
        return loss(y, y_pred, _weights_of_examples(loss, mask))
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


def _weights_of_examples(loss, mask):
    """Return the `sample_weight` that leaves padding out, `[S]`, or `None`."""
    if mask is None:
        return None
    return loss_weights(loss, mask[None], None)[0]
