"""Probability vectors."""

import tensorflow as tf


def project_to_simplex(points, is_allowed):
    """Return the nearest probability vector of each row.

    `max(v - threshold, 0)`, with the threshold that makes the sum 1. Entries
    that are not positive are exactly zero.

    Reference: Held, Wolfe and Crowder, 1974, "Validation of Subgradient
    Optimization", Mathematical Programming 6.

    Args:
        points: `[..., N]`.
        is_allowed: Bool, broadcasts to `points`; entries that are not allowed
            are zero.

    Example:

    >>> from kerasmeta.ops.simplex import project_to_simplex
    >>> points = tf.constant([[0.5, 0.9, 7.0]])
    >>> project_to_simplex(points, [True, True, False]).numpy().round(3)
    array([[0.3, 0.7, 0. ]], dtype=float32)
    """
    points = tf.convert_to_tensor(points)
    allowed = tf.where(is_allowed, points, points.dtype.min)
    highest = tf.reduce_max(allowed, axis=-1, keepdims=True)
    # Entries that are less than the highest by 1 or more become zero.
    points = tf.where(is_allowed, points - highest, -2.0)
    descending = tf.sort(points, axis=-1, direction="DESCENDING")
    ranks = tf.range(1, tf.shape(points)[-1] + 1)
    ranks = tf.cast(ranks, points.dtype)
    is_kept = 1.0 + ranks * descending > tf.cumsum(descending, axis=-1)
    kept = tf.where(is_kept, descending, tf.zeros_like(descending))
    count = tf.reduce_sum(tf.cast(is_kept, points.dtype), -1, keepdims=True)
    threshold = (tf.reduce_sum(kept, -1, keepdims=True) - 1.0) / count
    return tf.nn.relu(points - threshold)
