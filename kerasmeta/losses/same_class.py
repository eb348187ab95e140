"""Which relations are those of a query with its own class."""

import tensorflow as tf


def same_class(labels, logits):
    """Return 1 where a logit is that of the query's own class, else 0.

    Args:
        labels: Labels of queries, `[n]` or `[n, 1]`.
        logits: `[n, N]`.
    """
    is_wide = labels.shape.rank and labels.shape[-1] not in (1, None)
    if is_wide and labels.shape.rank == logits.shape.rank:
        raise ValueError(
            "Labels must be integers, one for each query. One-hot labels: use "
            f"`tf.argmax(y, -1)`. Received: labels of shape {labels.shape} for "
            f"logits of shape {logits.shape}"
        )
    labels = tf.reshape(tf.cast(labels, "int32"), [-1])
    return tf.one_hot(labels, tf.shape(logits)[-1], dtype=logits.dtype)
