"""How much a query looks like none of the classes, and how well that tells."""

import tensorflow as tf

from kerasmeta.ops.margins import margins
from kerasmeta.utils import check_choice

OPEN_SET_SCORES = ("max_probability", "max_logit", "energy", "entropy")


def open_set_scores(logits, score="max_probability"):
    """Return how much each query looks like none of the classes.

    Larger is more foreign. `"max_probability"`: `log((1 - p) / p)` of the
    largest probability `p`, which orders queries as `-p` does, also where `p`
    rounds to 1: the logarithm of the sum of the exponentials of the other
    logits, less the largest.
    `"max_logit"`: less the largest logit, which for prototypes is the distance
    to the nearest one. `"energy"`: less the logarithm of the sum of the
    exponentials of the logits. `"entropy"`: that of the probabilities.

    Reference: Hendrycks and Gimpel, 2017, arXiv:1610.02136
    (`"max_probability"`); Vaze, Han, Vedaldi and Zisserman, 2022,
    arXiv:2110.06207 (`"max_logit"`); Liu, Wang, Owens and Li, 2020,
    arXiv:2010.03759 (`"energy"`).

    Args:
        logits: `[..., N]`.
        score: One of the names above.

    Returns:
        `[...]`, in the dtype of the logits.

    Raises:
        ValueError: If `score` is unknown.

    Example:

    >>> logits = tf.constant([[4.0, 0.0], [0.1, 0.0]])
    >>> scores = km.ops.open_set_scores(logits)
    >>> bool(scores[1] > scores[0])
    True
    """
    check_choice("score", score, OPEN_SET_SCORES)
    if score == "max_logit":
        return -tf.reduce_max(logits, axis=-1)
    if score == "energy":
        return -tf.reduce_logsumexp(logits, axis=-1)
    if score == "max_probability":
        return -margins(logits)
    log_shares = tf.nn.log_softmax(logits)
    return -tf.reduce_sum(tf.exp(log_shares) * log_shares, axis=-1)


def auroc(scores, is_positive, weights):
    """Return the area under the ROC curve of each episode.

    It is the probability that a positive has a larger score than a negative,
    where a tie counts half. It compares all pairs, so it is exact.

    Args:
        scores: `[..., Q]`.
        is_positive: Bool, `[..., Q]`.
        weights: `[..., Q]`, zero for padding.

    Returns:
        `[...]`, NaN for an episode without a positive or a negative, or with
        a score of NaN that is no padding.

    Example:

    >>> area = km.ops.auroc(
    ...     tf.constant([0.9, 0.4, 0.6]), [True, True, False], [1.0, 1.0, 1.0]
    ... )
    >>> float(area)
    0.5
    """
    weights = tf.cast(weights, scores.dtype)
    scores = tf.where(weights > 0, scores, tf.zeros_like(scores))
    positives, negatives = _kinds(is_positive, weights)
    difference = tf.sign(scores[..., :, None] - scores[..., None, :])
    wins = tf.einsum(
        "...i,...ij,...j->...", positives, (difference + 1) / 2, negatives
    )
    return wins / count_pairs(is_positive, weights)


def count_pairs(is_positive, weights):
    """Return the number of pairs that `auroc` compares, `[...]`.

    Args:
        is_positive: Bool, `[..., Q]`.
        weights: Floats `[..., Q]`, zero for padding.
    """
    positives, negatives = _kinds(is_positive, weights)
    return tf.reduce_sum(positives, -1) * tf.reduce_sum(negatives, -1)


def _kinds(is_positive, weights):
    """Return the weights of positives, and of negatives."""
    is_positive = tf.cast(is_positive, weights.dtype)
    return weights * is_positive, weights * (1 - is_positive)
