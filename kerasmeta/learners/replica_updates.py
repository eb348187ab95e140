"""One update of the weights on several replicas, as if there were one.

Keras' optimizers add the gradients of replicas as late as they can, and look at
them before: each replica alone, at its share.
"""

import functools

import keras
import tensorflow as tf

from kerasmeta.learners.replicas import num_replicas

_CLIPS = {
    "clipnorm": lambda limit, gs: [tf.clip_by_norm(g, limit) for g in gs],
    "global_clipnorm": lambda limit, gs: tf.clip_by_global_norm(gs, limit)[0],
    "clipvalue": lambda limit, gs: [
        tf.clip_by_value(g, -limit, limit) for g in gs
    ],
}


def apply_gradients(optimizer, gradients, weights):
    """Let an optimizer apply gradients, to be called on each replica.

    Args:
        optimizer: Keras optimizer.
        gradients: List of those of this replica, to be added over replicas.
        weights: List of variables.
    """
    if num_replicas() > 1:
        gradients = _seen_as_one(optimizer, gradients)
    optimizer.apply_gradients(zip(gradients, weights))


def _seen_as_one(optimizer, gradients):
    if all(gradient is None for gradient in gradients):
        return gradients  # Keras has an error of its own for that.
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        gradients = _nan_where_any_is(gradients)
    clip = _clip_of(optimizer)
    return gradients if clip is None else _shares_of_clipped(gradients, clip)


def _nan_where_any_is(gradients):
    """Make gradients NaN on all replicas if they are not finite on one.

    An optimizer that scales the loss asks the first replica, or each for
    itself, whether to leave a step out.
    """
    values = [_values(g) for g in gradients if g is not None]
    finite = [tf.reduce_all(tf.math.is_finite(value)) for value in values]
    spoiled = tf.cast(tf.logical_not(tf.reduce_all(finite)), "float32")
    spoiled = tf.distribute.get_replica_context().all_reduce("SUM", spoiled)
    factor = tf.where(spoiled > 0, float("nan"), 1.0)
    return [_map(lambda g: g * tf.cast(factor, g.dtype), g) for g in gradients]


def _clip_of(optimizer):
    """Return the function that clips a list of gradients, or `None`."""
    # One that scales the loss has the other, which clips, within it.
    options = getattr(optimizer, "inner_optimizer", optimizer)
    for name, clip in _CLIPS.items():
        limit = getattr(options, name)
        if limit and limit > 0:
            # Optimizers unscale gradients first.
            return functools.partial(clip, optimizer.scale_loss(limit))
    return None


def _shares_of_clipped(gradients, clip):
    """Return what adds up to the clipped sum, and is not clipped any more.

    Of `n` replicas each takes an `n`th of it, which is within the limit.
    """
    known = [gradient for gradient in gradients if gradient is not None]
    context = tf.distribute.get_replica_context()
    clipped = iter(clip(context.all_reduce("SUM", known)))
    share = 1 / num_replicas()
    return [
        None if g is None else _map(lambda g: g * share, next(clipped))
        for g in gradients
    ]


def _map(function, gradient):
    """Return a function of a gradient that may be `None` or some rows."""
    if gradient is None:
        return None
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(
            function(gradient.values), gradient.indices, gradient.dense_shape
        )
    return function(gradient)


def _values(gradient):
    is_rows = isinstance(gradient, tf.IndexedSlices)
    return gradient.values if is_rows else gradient
