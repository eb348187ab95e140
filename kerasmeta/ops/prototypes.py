"""Class means and distances to them."""

import tensorflow as tf

from kerasmeta.ops.class_members import class_members


def class_prototypes(embeddings, labels, ways, mask=None):
    """Return the mean embedding of each class.

    Args:
        embeddings: `[..., S, D]`.
        labels: Integer labels, `[..., S]`.
        ways: Number of classes, `N`.
        mask: Optional `[..., S]`, true for the examples that count.

    Returns:
        Prototypes `[..., N, D]`; zero for a class without examples.
    """
    members = class_members(labels, ways, mask, embeddings.dtype)
    sums = tf.einsum("...sn,...sd->...nd", members, embeddings)
    counts = tf.reduce_sum(members, axis=-2)[..., None]
    return tf.math.divide_no_nan(sums, counts)


def squared_distances(a, b):
    """Return the squared Euclidean distances `||a_q - b_n||^2`.

    Both are moved by the mean of `b` first: norms would round away distances
    that are small beside what all embeddings share.

    Args:
        a: `[..., Q, D]`.
        b: `[..., N, D]`.

    Returns:
        `[..., Q, N]`.
    """
    # Distances do not depend on it, so neither do their gradients.
    shift = tf.stop_gradient(tf.reduce_mean(b, axis=-2, keepdims=True))
    a, b = a - shift, b - shift
    products = tf.matmul(a, b, transpose_b=True)
    a_norms = tf.reduce_sum(tf.square(a), axis=-1)[..., :, None]
    b_norms = tf.reduce_sum(tf.square(b), axis=-1)[..., None, :]
    return a_norms - 2 * products + b_norms
