"""Normal distributions over the weights of a network.

They are lists of tensors, as fast weights are: the means of all weights, and
then the logarithms of their standard deviations.
"""

import tensorflow as tf

from kerasmeta.utils.split_mix import normals
from kerasmeta.utils.split_mix import stream_keys

_NOISE_SALT = 0x5DEECE66D
# Large odd numbers that keep the streams of different seeds apart.
_STRIDES = (0xD1B54A32D192ED03, 0xAEF17502108EF2D9)


def draw_weights(distribution, seed, step, samples):
    """Return `samples` lists of weights, `mean + deviation * noise`.

    Args:
        distribution: List of means and logarithms of deviations.
        seed: Two integers.
        step: Integer; each step has noise of its own.
        samples: Number of draws.
    """
    means, logs = _halves(distribution)
    sizes = [mean.shape.num_elements() for mean in means]
    noise = tf.split(_normals(seed, step, samples, sum(sizes)), sizes, axis=1)
    deviations = [tf.exp(log) for log in logs]
    return [
        [
            m + deviation * tf.cast(tf.reshape(part[i], m.shape), m.dtype)
            for m, deviation, part in zip(means, deviations, noise)
        ]
        for i in range(samples)
    ]


def _normals(seed, step, samples, count):
    """Return normal noise `[samples, count]`, a pure function of ids.

    TensorFlow's own operations that draw do not vectorize over tasks, and
    neither would a seed that differs from task to task as an id.
    """
    draws = tf.range(samples, dtype="int64")
    keys = stream_keys(tf.cast(step, "int64"), draws, salt=_NOISE_SALT)
    for number, stride in zip((seed[0], seed[1]), _STRIDES, strict=True):
        keys += tf.cast(number, "uint64") * stride
    return normals(keys, count)


def normal_divergence(distribution, prior):
    """Return the Kullback-Leibler divergence from a prior, a scalar.

    `sum(log(s_0 / s) + (s^2 + (m - m_0)^2) / (2 s_0^2) - 1 / 2)`
    """
    total = 0.0
    for m, log, m_0, log_0 in zip(*_halves(distribution), *_halves(prior)):
        moved = tf.square((m - m_0) * tf.exp(-log_0))
        spread = tf.exp(2 * (log - log_0)) - 1
        total += tf.reduce_sum(log_0 - log + (spread + moved) / 2)
    return total


def _halves(distribution):
    count = len(distribution) // 2
    return distribution[:count], distribution[count:]
