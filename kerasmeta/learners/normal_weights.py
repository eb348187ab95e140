"""Normal distributions over the weights of a network.

They are lists of tensors, as fast weights are: the means of all weights, and
then the logarithms of their standard deviations.
"""

import math

import tensorflow as tf

from kerasmeta.utils.split_mix import stream_keys
from kerasmeta.utils.split_mix import uniforms

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
    flat = tf.concat([tf.reshape(log, [-1]) for log in logs], axis=0)
    noise = _normals(seed, step, samples, sum(sizes))
    moves = tf.cast(noise, flat.dtype) * tf.exp(flat)
    moves = tf.split(moves, sizes, axis=1)
    return [
        [m + tf.reshape(move[i], m.shape) for m, move in zip(means, moves)]
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
    u, v = tf.split(uniforms(keys, 2 * count), 2, axis=1)
    # Box and Muller's method; 1 - u is never zero.
    return tf.sqrt(-2 * tf.math.log(1 - u)) * tf.cos(2 * math.pi * v)


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
