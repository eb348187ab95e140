"""Queries of none of the classes of their task: those with the label -1.

Losses and most metrics judge the others only. A metric that judges these,
episode by episode, finds whole episodes in a thread-local scope.
"""

import tensorflow as tf

from kerasmeta.utils.thread_scope import ThreadScope

_episodes = ThreadScope()


def known_queries(query_mask, query_y):
    """Return which queries count in losses, `[T, Q]`, or `None` if all do.

    Those that are real and belong to a class. Targets that are no labels, such
    as floats and one-hot vectors, have no queries of none of the classes.

    Args:
        query_mask: `[T, Q]`, true for real queries, or `None` if all are.
        query_y: Labels `[T, Q]` or `[T, Q, 1]`, or other targets.
    """
    if tf.nest.is_nested(query_y):
        return query_mask
    query_y = tf.convert_to_tensor(query_y)
    # `fit` may have forgotten the number of axes.
    is_labels = query_y.dtype.is_integer and (
        query_y.shape.rank in (None, 2) or query_y.shape[2:] == [1]
    )
    if not is_labels:
        return query_mask
    known = tf.reshape(query_y, tf.shape(query_y)[:2]) >= 0
    return known if query_mask is None else known & tf.cast(query_mask, "bool")


def whole_episodes(y_true, y_pred, query_mask=None, sample_weight=None):
    """Show a metric all queries of episodes, where `update_state` gets some.

    Args:
        y_true: Labels, `[T, Q]` or `[Q]`, or other targets, or a nest.
        y_pred: Predictions, `[T, Q, N]` or `[Q, N]`, or a nest.
        query_mask: Optional `[T, Q]` or `[Q]`, true for real queries.
        sample_weight: Optional `[T, Q]` or `[Q]`.
    """
    return _episodes.holding((y_true, y_pred, query_mask, sample_weight))


def current_episodes():
    """Return what `whole_episodes` was given, or `None` outside of it."""
    return _episodes.value
