"""Noise that is a function of its seed alone.

With the same seed, TensorFlow's own `tf.random.stateless_*` draw one thing in a
plain graph and another in one that XLA compiles. These draw the same.
"""

import tensorflow as tf

from kerasmeta.utils.split_mix import integers
from kerasmeta.utils.split_mix import normals
from kerasmeta.utils.split_mix import stream_keys
from kerasmeta.utils.split_mix import uniforms

_UNIFORM_SALT = 0x2545F4914F6CDD1D
_NORMAL_SALT = 0x1B873593CC9E2D51
_INTEGER_SALT = 0x696E746567657273
_FOLD_SALT = 0x5851F42D4C957F2D

# A large odd number keeps tasks and neighbouring seeds apart.
TASK_STRIDE = 0x9E3779B1


def seed_of_task(seed, task):
    """Return the seed of one task of a meta-batch; task 0 keeps `seed`.

    Args:
        seed: Tensor of two integers.
        task: Number of the task.
    """
    offset = tf.cast(tf.stack([task, 0]), seed.dtype)
    return seed + offset * TASK_STRIDE


def fold_seed(seed, number):
    """Return another seed, which depends on a seed and a number.

    Args:
        seed: Two integers.
        number: Integer; another one gives an unrelated seed.

    Returns:
        An int64 tensor of two non-negative integers.
    """
    return fold_seeds(seed, tf.convert_to_tensor(number)[None])[0]


def fold_seeds(seed, numbers):
    """Return the seeds that `fold_seed` returns for each of some numbers.

    Args:
        seed: Two integers.
        numbers: Integers `[n]`.

    Returns:
        An int64 tensor `[n, 2]`.
    """
    first, second = tf.unstack(tf.cast(seed, "int64"))
    numbers = tf.cast(numbers, "int64")
    return integers(stream_keys(first, second, numbers, salt=_FOLD_SALT), 2)


def seeded_uniforms(shape, seed):
    """Return uniform float32 numbers in `[0, 1)`.

    Args:
        shape: Integers, or an integer tensor.
        seed: Two integers.
    """
    count = tf.reduce_prod(shape)
    return tf.reshape(uniforms(_key(seed, _UNIFORM_SALT), count), shape)


def seeded_integers(shape, seed):
    """Return uniform int64 integers in `[0, 2**62)`.

    Args:
        shape: Integers, or an integer tensor.
        seed: Two integers.
    """
    count = tf.reduce_prod(shape)
    return tf.reshape(integers(_key(seed, _INTEGER_SALT), count), shape)


def seeded_normals(shape, seed):
    """Return standard normal float32 numbers.

    Args:
        shape: Integers, or an integer tensor.
        seed: Two integers.
    """
    count = tf.reduce_prod(shape)
    return tf.reshape(normals(_key(seed, _NORMAL_SALT), count), shape)


def normals_of_tasks(tasks, size, seed):
    """Return standard normal float32 numbers `[tasks, size]`.

    Those of a task do not depend on how many tasks there are.

    Args:
        tasks: Number of tasks.
        size: Number of numbers a task.
        seed: Two integers.
    """
    first, second = tf.unstack(tf.cast(seed, "int64"))
    firsts = first + tf.range(tasks, dtype="int64") * TASK_STRIDE
    keys = stream_keys(firsts, second, salt=_NORMAL_SALT)
    return normals(keys, size)


def seeded_dropout(x, rate, seed):
    """Set a fraction of the numbers to zero, and scale the rest up.

    Args:
        x: Tensor.
        rate: Fraction of at least 0 and below 1.
        seed: Two integers.
    """
    is_kept = seeded_uniforms(tf.shape(x), seed) >= rate
    return tf.where(is_kept, x / (1 - rate), tf.zeros_like(x))


def _key(seed, salt):
    first, second = tf.unstack(tf.cast(seed, "int64"))
    return stream_keys(first, second[None], salt=salt)
