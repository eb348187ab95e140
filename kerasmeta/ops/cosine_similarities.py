"""Cosines of the angles between embeddings."""

import tensorflow as tf

from kerasmeta.ops.unit_vectors import unit_vectors


def cosine_similarities(a, b):
    """Return the cosines `a_q . b_n / (||a_q|| ||b_n||)`.

    The cosine with a vector of zeros is zero, and so is its gradient. Lengths
    of vectors of half precision are computed in float32.

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
    a, b = (unit_vectors(tf.convert_to_tensor(t)) for t in (a, b))
    return tf.matmul(a, b, transpose_b=True)
