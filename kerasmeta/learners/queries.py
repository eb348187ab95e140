"""The queries of a meta-batch as Keras' losses and metrics want them."""

import contextlib

import keras
import tensorflow as tf

from kerasmeta.learners.loss_values import check_each
from kerasmeta.learners.loss_values import is_weighed_as_it_is
from kerasmeta.learners.loss_values import loss_values
from kerasmeta.metrics.foreign_queries import known_queries
from kerasmeta.metrics.foreign_queries import whole_episodes
from kerasmeta.ops.zero_padding import zero_padding


def merge_tasks(tensors):
    """Merge the task and query axes: `[T, Q, ...]` to `[T * Q, ...]`."""

    def merge(tensor):
        tensor = tf.convert_to_tensor(tensor)
        shape = tf.shape(tensor)
        merged = tf.reshape(tensor, tf.concat([[-1], shape[2:]], axis=0))
        merged.set_shape([None, *tensor.shape[2:]])
        return merged

    return None if tensors is None else tf.nest.map_structure(merge, tensors)


def loss_inputs(loss, query_mask, query_y, query_pred, sample_weight):
    """Return what `compute_loss` judges: `y`, `y_pred` and `sample_weight`.

    Padding and queries of none of the classes weigh nothing, and have a target
    that every loss takes.

    Args:
        loss: What `compile(loss=)` took.
        query_mask: `[T, Q]`, true for real queries, or `None` if all are.
        query_y: Targets, a nest of `[T, Q, ...]`.
        query_pred: Predictions, a nest of `[T, Q, ...]`.
        sample_weight: `[T, Q]`, or `None`.

    Raises:
        ValueError: If a loss of padded episodes cannot leave queries out.
    """
    known = known_queries(query_mask, query_y)
    weights = merge_tasks(loss_weights(loss, known, sample_weight))
    y, y_pred = merge_tasks((zero_padding(query_y, known), query_pred))
    is_one = not any(map(tf.nest.is_nested, (loss, y, y_pred)))
    if weights is not None and is_one and not is_weighed_as_it_is(loss):
        values = loss_values(loss, y, y_pred)
        if known is not None:
            check_each(loss, values, known if query_mask is None else None)
        weights = weights_of_values(weights, values)
    return {"y": y, "y_pred": y_pred, "sample_weight": weights}


def weights_of_values(weights, values):
    """Return weights of queries as Keras can multiply them with losses.

    A loss may return several numbers a query, of which Keras takes the mean;
    but it would take weights `[n]` for those of columns.

    Args:
        weights: `[n]`.
        values: What the loss returns, `[n, ...]`, or one number.
    """
    if values.shape.rank in (None, 0, 1):
        return weights
    ones = [1] * (values.shape.rank - 1)
    weights = tf.cast(tf.reshape(weights, [-1, *ones]), values.dtype)
    # Of the same shape, so that Keras can also divide by their sum.
    return weights * tf.ones_like(values)


def loss_weights(loss, query_mask, sample_weight):
    """Return the weights of queries `[T, Q]` in a loss, or `None`.

    What is masked weighs nothing. Where the loss takes a mean, the other
    queries of a task weigh as much as those of any other, so that the loss is
    the mean over tasks of what each would have alone.

    Args:
        loss: What `compile(loss=)` took.
        query_mask: `[T, Q]`, true for what counts, or `None` if all does.
        sample_weight: `[T, Q]`, or `None`.
    """
    if query_mask is None:
        return sample_weight
    weights = tf.cast(query_mask, keras.config.floatx())
    if not takes_sum(loss):
        # A task without queries weighs nothing.
        share = tf.reduce_mean(weights, axis=1, keepdims=True)
        weights = tf.math.divide_no_nan(weights, share)
    if sample_weight is not None:
        weights *= tf.cast(sample_weight, weights.dtype)
    return weights


def takes_sum(loss):
    """Return whether a compiled loss is a sum over queries and tasks."""
    return any(
        getattr(one, "reduction", None) == "sum"
        for one in tf.nest.flatten(loss)
    )


@contextlib.contextmanager
def queries_of_metrics(episodes, query_y, query_pred, sample_weight):
    """Give targets, predictions and weights `[n, ...]` as metrics want them.

    Without padding and queries of none of the classes; a metric that is about
    those finds all queries of each episode.

    Args:
        episodes: Dictionary of the meta-batch.
        query_y: Targets, a nest of `[T, Q, ...]`.
        query_pred: Predictions, a nest of `[T, Q, ...]`.
        sample_weight: `[T, Q]`, or `None`.
    """
    mask = episodes.get("query_mask")
    tensors = query_y, query_pred, sample_weight
    with whole_episodes(query_y, query_pred, mask, sample_weight):
        yield real_queries(known_queries(mask, query_y), *tensors)


def real_queries(query_mask, *tensors):
    """Return nests of `[T, Q, ...]` as `[n, ...]`, without what is masked.

    Args:
        query_mask: `[T, Q]`, true for what counts, or `None` if all does.
        *tensors: Nests, or `None`, which stays `None`.
    """
    if query_mask is None:
        return [merge_tasks(nest) for nest in tensors]
    return [
        nest
        if nest is None
        else tf.nest.map_structure(
            lambda t: tf.boolean_mask(t, query_mask), nest
        )
        for nest in tensors
    ]
