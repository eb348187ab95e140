"""Predictions that are normal distributions: a mean and a scale each."""

import math

import tensorflow as tf


def split_gaussian(predictions):
    """Return the mean and the scale that predictions hold side by side.

    Use it on what neural processes predict, `[..., 2 * K]`: the means of `K`
    targets, then their standard deviations.

    Args:
        predictions: `[..., 2 * K]`.

    Returns:
        `(mean, scale)`, each `[..., K]`.

    Example:

    >>> mean, scale = km.ops.split_gaussian(np.array([[3.0, 0.5]]))
    >>> float(mean[0, 0]), float(scale[0, 0])
    (3.0, 0.5)
    """
    if (predictions.shape[-1] or 0) % 2:
        raise ValueError(
            "Predictions must hold a mean and a standard deviation of each "
            "target, `[..., 2 * K]`, as neural processes predict them. "
            f"Received: predictions of shape {tuple(predictions.shape)}"
        )
    mean, scale = tf.split(predictions, 2, axis=-1)
    return mean, scale


def gaussian_log_likelihood(y, predictions):
    """Return the log-density of targets, in nats, summed over their last axis.

    `sum over k of -log s_k - log(2 pi) / 2 - ((y_k - m_k) / s_k)^2 / 2`

    Args:
        y: Targets, `[..., K]`, or `[...]` where `K` is 1.
        predictions: `[..., 2 * K]`, means and then standard deviations.
    """
    mean, scale = split_gaussian(predictions)
    deviations = (as_targets(y, mean) - mean) / scale
    logs = -tf.math.log(scale) - 0.5 * tf.square(deviations)
    return tf.reduce_sum(logs - 0.5 * math.log(2 * math.pi), axis=-1)


def as_targets(y, mean):
    """Return targets with the axes and the dtype of their means.

    Args:
        y: `[..., K]`, or `[...]` where `K` is 1.
        mean: `[..., K]`.
    """
    y = tf.cast(y, mean.dtype)
    y = y if y.shape.rank == mean.shape.rank else y[..., None]
    # A single mean would be taken for that of all targets.
    if not y.shape[-1:].is_compatible_with(mean.shape[-1:]):
        raise ValueError(
            "There must be a mean and a standard deviation for each target. "
            f"Received: targets of shape {tuple(y.shape)}, means of shape "
            f"{tuple(mean.shape)}"
        )
    return y
