"""Regularised covariances of the classes of a task."""

import tensorflow as tf

from kerasmeta.ops.class_members import class_members
from kerasmeta.ops.prototypes import class_prototypes


def class_covariances(embeddings, labels, ways, mask=None, ridge=1.0):
    """Return the covariance of each class, regularised by that of the task.

    With `n_k` examples of class `k`, the unbiased covariances `S_k` of the
    class and `S` of all examples (zero where there is one example only) and
    the identity `I`,

    `Q_k = r_k S_k + (1 - r_k) S + ridge * I`, `r_k = n_k / (n_k + 1)`

    Reference: Bateni, Goyal, Masrani, Wood and Sigal, 2020, "Improved Few-Shot
    Visual Classification", arXiv:1912.03432.

    Args:
        embeddings: `[T, S, D]`.
        labels: Integer labels, `[T, S]`.
        ways: Number of classes, `N`.
        mask: Optional `[T, S]`, true for the examples that count.
        ridge: Positive number.

    Returns:
        `[T, N, D, D]`; `S + ridge * I` for a class without examples.

    Example:

    >>> embeddings = tf.constant([[[0.0], [2.0], [5.0]]])
    >>> labels = tf.constant([[0, 0, 1]])
    >>> q = km.ops.class_covariances(embeddings, labels, ways=2)
    >>> q[0, :, 0, 0].numpy().round(3)  # 2/3 * 2 + 1/3 * 19/3 + 1, ...
    array([4.444, 4.167], dtype=float32)
    """
    members = class_members(labels, ways, mask, embeddings.dtype)
    everyone = tf.reduce_sum(members, axis=-1)[..., None]  # (T, S, 1)
    means = class_prototypes(embeddings, labels, ways, mask)
    within = embeddings - tf.matmul(members, means)
    across = embeddings - _mean(embeddings, everyone)
    counts = tf.reduce_sum(members, axis=1)[..., None, None]  # (T, N, 1, 1)
    share = counts / (counts + 1.0)
    identity = tf.eye(embeddings.shape[-1], dtype=embeddings.dtype)
    return (
        share * _covariances(within, members)
        + (1.0 - share) * _covariances(across, everyone)
        + ridge * identity
    )


def _mean(embeddings, weights):
    totals = tf.reduce_sum(weights * embeddings, axis=1, keepdims=True)
    return totals / tf.reduce_sum(weights, axis=1, keepdims=True)


def _covariances(centered, members):
    """Return the unbiased covariance of each of several sets.

    Args:
        centered: Examples minus the mean of their set, `[T, S, D]`.
        members: Which example is in which set, 1 or 0, `[T, S, N]`.

    Returns:
        `[T, N, D, D]`.
    """
    weights = tf.transpose(members, [0, 2, 1])[..., None]  # (T, N, S, 1)
    examples = centered[:, None]
    sums = tf.matmul(weights * examples, examples, transpose_a=True)
    counts = tf.reduce_sum(weights, axis=2, keepdims=True)
    return sums / tf.maximum(counts - 1.0, 1.0)
