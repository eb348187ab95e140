"""Attention with several heads."""

import tensorflow as tf


def attend(queries, keys, values, mask=None, heads=1):
    """Return the values that each query attends to, `[T, Q, V]`.

    With the last axes cut into `heads` parts, each of which attends by itself,

    `a_qs = softmax_s(q_q . k_s / sqrt(K / heads))`, `r_q = sum_s a_qs v_s`

    Args:
        queries: `[T, Q, K]`.
        keys: `[T, S, K]`.
        values: `[T, S, V]`.
        mask: Bool that broadcasts to `[T, Q, S]`, true where a query may look;
            each must see something.
        heads: Number of heads, a divisor of `K` and of `V`.

    Example:

    >>> from kerasmeta.ops.attend import attend
    >>> x = tf.constant([[[9.0], [-9.0]]])
    >>> attend(x, x, tf.constant([[[1.0], [2.0]]])).numpy().tolist()
    [[[1.0], [2.0]]]
    """
    queries, keys, values = (_split(t, heads) for t in (queries, keys, values))
    scores = tf.einsum("tqhk,tshk->thqs", queries, keys)
    scores /= queries.shape[-1] ** 0.5
    if mask is not None:
        scores = tf.where(mask[:, None], scores, scores.dtype.min)
    reads = tf.einsum("thqs,tshv->tqhv", tf.nn.softmax(scores), values)
    shape = tf.concat([tf.shape(reads)[:2], [heads * values.shape[-1]]], axis=0)
    return tf.reshape(reads, shape)


def _split(x, heads):
    """Cut the last axis into one part a head."""
    shape = [*tf.unstack(tf.shape(x)[:2]), heads, x.shape[-1] // heads]
    return tf.reshape(x, shape)
