"""Class means and probabilities where examples belong to classes in part."""

import tensorflow as tf

from kerasmeta.ops.absent_classes import rule_out


def class_mask(members):
    """Return which classes have members, ones and zeros `[T, 1, N]`."""
    return tf.reduce_max(members, axis=1, keepdims=True)


def class_softmax(logits, is_class):
    """Return probabilities `[T, n, N]`, exactly zero for absent classes."""
    return tf.nn.softmax(rule_out(logits, is_class > 0)) * is_class


def member_means(members, features):
    """Return class means `[T, N, D]`; zero for a class without members.

    Args:
        members: `[T, n, N]`, the weight of an example in each class.
        features: `[T, n, D]`.
    """
    return tf.math.divide_no_nan(
        tf.matmul(members, features, transpose_a=True),
        tf.reduce_sum(members, axis=1)[..., None],
    )


def mean_of(features, weights):
    """Return the weighted mean of features, `[T, 1, D]`; zero of none.

    Args:
        features: `[T, n, D]`.
        weights: `[T, n, 1]`.
    """
    return tf.math.divide_no_nan(
        tf.reduce_sum(weights * features, axis=1, keepdims=True),
        tf.reduce_sum(weights, axis=1, keepdims=True),
    )
