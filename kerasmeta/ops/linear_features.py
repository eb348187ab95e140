"""Embeddings as linear solvers take them."""

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

    Args:
        matrix: `[..., M, M]`.
        penalty: Scalar.
    """
    size = tf.shape(matrix)[-1]
    return matrix + penalty * tf.eye(size, dtype=matrix.dtype)


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
