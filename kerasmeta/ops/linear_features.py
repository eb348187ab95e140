"""Embeddings as linear solvers take them."""

import numpy as np
import tensorflow as tf


def full_precision(x):
    """Return `x`, in float32 if it is in half precision.

    Linear systems are not solved in half precision, where squared norms of
    embeddings overflow, too.

    Args:
        x: Floating-point tensor.
    """
    return tf.cast(x, "float32") if x.dtype.size < 4 else x


def append_ones(x):
    """Return features with a last one that is 1, whose weight is a bias.

    Args:
        x: `[..., D]`.

    Returns:
        `[..., D + 1]`.
    """
    return tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)


def add_penalty(matrix, penalty):
    """Return `matrix + penalty I`, by operations that LiteRT has, too.

    A penalty that the precision does not resolve is raised to the least that it
    does: beside equal examples a smaller one is lost, and the system singular.

    Args:
        matrix: `[..., M, M]`, with a diagonal that is not negative.
        penalty: Scalar.
    """
    dtype = matrix.dtype
    limits = np.finfo(dtype.as_numpy_dtype)
    identity = tf.eye(tf.shape(matrix)[-1], dtype=dtype)
    trace = tf.reduce_sum(matrix * identity, axis=[-2, -1], keepdims=True)
    least = tf.stop_gradient(16 * limits.eps * trace) + limits.tiny
    # A number of Python's would be rounded to float32 on its way.
    if isinstance(penalty, float):
        penalty = np.float64(penalty)
    penalty = tf.cast(penalty, dtype)
    # Not `maximum`: a penalty of NaN must spoil the matrix.
    return matrix + tf.where(penalty < least, least, penalty) * identity


def smaller_system(x, dual, primal):
    """Solve for examples or for features, whichever are fewer.

    Args:
        x: Features `[..., S, D]`.
        dual: Function without arguments that solves a system of size `S`.
        primal: One that returns the same from a system of size `D`.

    Returns:
        What the function returns that is called. The graph holds both where
        the sizes are not known.
    """
    size, width = x.shape[-2:]
    if size is None or width is None:
        return tf.cond(tf.shape(x)[-2] < tf.shape(x)[-1], dual, primal)
    return dual() if size < width else primal()
