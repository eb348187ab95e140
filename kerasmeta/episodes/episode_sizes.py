"""How many classes, shots and queries each episode of a meta-batch has."""

import math

import tensorflow as tf


def draw_integers(keys, low, high):
    """Return uniform integers in `low..high` from random 62-bit keys."""
    low, high = tf.cast(low, "int64"), tf.cast(high, "int64")
    return tf.cast(low + keys % (high - low + 1), "int32")


def draw_fractions(keys):
    """Return uniform numbers in `[0, 1)` from random 62-bit keys."""
    return tf.cast(keys, "float64") * 2.0**-62


def uniform_sizes(spec, indices, keys, class_sizes):
    """Draw shots and queries from the ranges of a spec.

    Args:
        spec: `EpisodeSpec` or `Curriculum`.
        indices: Episode indices, `[B]`.
        keys: Random integers, `[B, N, 2]`.
        class_sizes: Number of examples of each drawn class, `[B, N]`.

    Returns:
        `(shots, queries)`, int32 tensors `[B, N]`.
    """
    if not spec.unbalanced:
        keys = tf.repeat(keys[:, :1], tf.shape(keys)[1], axis=1)
    shots = draw_integers(keys[..., 0], *spec.ranges("shots", indices))
    queries = draw_integers(keys[..., 1], *spec.ranges("queries", indices))
    return shots, tf.minimum(queries, class_sizes - shots)


def meta_dataset_sizes(spec, is_class, keys, class_sizes):
    """Draw shots and queries by the rule of `EpisodeSpec.meta_dataset`.

    Args:
        spec: `EpisodeSpec`.
        is_class: Which of the `N` places hold a class, bool `[B, N]`.
        keys: Random integers, `[B, N, 2]`.
        class_sizes: Number of examples of each drawn class, `[B, N]`.

    Returns:
        `(shots, queries)`, int32 tensors `[B, N]`.
    """
    # An empty place must not be the smallest class, nor have a share.
    halves = tf.where(is_class, class_sizes // 2, spec.max_queries)
    queries = tf.reduce_min(halves, axis=1, keepdims=True)  # (B, 1)
    queries = tf.minimum(queries, spec.max_queries)
    left = tf.where(is_class, class_sizes - queries, 0)  # (B, N)
    portion = 1 - draw_fractions(keys[:, :1, 1])  # (B, 1), in (0, 1].
    most = tf.minimum(left, spec.ranges("shots")[1])
    most = tf.cast(most, "float64")
    support_size = tf.minimum(
        tf.reduce_sum(tf.math.ceil(portion * most), axis=1, keepdims=True),
        spec.max_support_size,
    )
    tilt = math.log(0.5) + math.log(4) * draw_fractions(keys[..., 0])
    shares = tf.exp(tilt) * tf.cast(class_sizes, "float64")
    shares = tf.where(is_class, shares, 0)
    shares /= tf.reduce_sum(shares, axis=1, keepdims=True)
    ways = tf.reduce_sum(tf.cast(is_class, "float64"), axis=1, keepdims=True)
    extra = tf.math.floor(shares * (support_size - ways))
    shots = tf.minimum(tf.cast(extra, "int32") + 1, left)
    return shots, tf.repeat(queries, tf.shape(shots)[1], axis=1)
