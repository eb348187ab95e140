"""Optimal transport with entropy, by Sinkhorn's algorithm."""

import tensorflow as tf

from kerasmeta.ops.repeat import repeat

# What no mass is taken for, so that it has a logarithm.
_NO_MASS = 1e-30


def sinkhorn(costs, rows, columns, sharpness, steps=50):
    """Return the logarithm of a transport plan with given sums.

    It is the plan `P = exp(f_i + g_j - sharpness * costs)` whose rows and
    columns sum to what is given: rows exactly, columns as far as `steps` allow.
    All is done in logarithms, so that no power underflows.

    Reference: Cuturi, 2013, "Sinkhorn Distances: Lightspeed Computation of
    Optimal Transport", arXiv:1306.0895.

    Args:
        costs: `[..., Q, N]`.
        rows: Sums of rows, `[..., Q, 1]`; zero for rows that do not count.
        columns: Sums of columns, `[..., 1, N]`, in all as much as `rows`; zero
            for columns that do not count.
        sharpness: What costs are multiplied by; one over the weight of entropy.
        steps: Number of times that rows and columns are scaled.

    Returns:
        `log P`, `[..., Q, N]`.

    Example:

    >>> plan = km.ops.sinkhorn(
    ...     tf.constant([[0.0, 1.0], [0.0, 2.0]]), tf.ones([2, 1]),
    ...     tf.ones([1, 2]), sharpness=1.0,
    ... )
    >>> tf.reduce_sum(tf.exp(plan), axis=0).numpy().round(3)
    array([1., 1.], dtype=float32)
    """
    logits = -sharpness * costs
    log_rows = tf.math.log(tf.maximum(rows, _NO_MASS))
    log_columns = tf.math.log(tf.maximum(columns, _NO_MASS))

    def scale_rows(g):
        return log_rows - tf.reduce_logsumexp(logits + g, -1, keepdims=True)

    def step(g):
        f = scale_rows(g)
        return log_columns - tf.reduce_logsumexp(logits + f, -2, keepdims=True)

    g = repeat(step, steps, tf.zeros_like(logits[..., :1, :]))
    return logits + scale_rows(g) + g
