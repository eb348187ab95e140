"""Which relations are those of a query with its own class."""

import tensorflow as tf


def same_class(labels, logits):
    """Return 1 where a logit is that of the query's own class, else 0.

    Args:
        labels: Labels of queries, `[n]` or `[n, 1]`.
        logits: `[n, N]`.
    """
    labels = tf.reshape(tf.cast(labels, "int32"), [-1])
    return tf.one_hot(labels, tf.shape(logits)[-1], dtype=logits.dtype)
