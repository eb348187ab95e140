"""Cosines of the angles between embeddings."""

import tensorflow as tf


def cosine_similarities(a, b):
    """Return the cosines `a_q . b_n / (||a_q|| ||b_n||)`.

    The cosine with a vector of zeros is zero, and gradients stay finite.

    Args:
        a: `[..., Q, D]`.
        b: `[..., N, D]`.

    Returns:
        `[..., Q, N]`.

    Example:

    >>> a = tf.constant([[1.0, 0.0], [0.0, 0.0]])
    >>> b = tf.constant([[2.0, 0.0], [0.0, 3.0], [-4.0, 0.0]])
    >>> km.ops.cosine_similarities(a, b).numpy().tolist()
    [[1.0, 0.0, -1.0], [0.0, 0.0, 0.0]]
    """
    a, b = (tf.math.l2_normalize(t, axis=-1) for t in (a, b))
    return tf.matmul(a, b, transpose_b=True)
