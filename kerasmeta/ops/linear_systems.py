"""Linear algebra that lets NaN through.

TensorFlow ends the program where a matrix is not finite. A training that has
gone wrong should give a loss of NaN instead, for `TerminateOnNaN` to see.

Systems of embeddings are solved in float64: of two shots that are much alike,
float32 keeps no difference beside squared norms of a million.
"""

import tensorflow as tf

from kerasmeta.utils.thread_scope import ThreadScope

_has_float64 = ThreadScope(True)


def no_float64():
    """Solve in the precision of what is given, in this thread and scope.

    For what has no float64, such as LiteRT.
    """
    return _has_float64.holding(False)


def solver_precision(x):
    """Return `x` in the precision in which systems are solved, float64.

    Args:
        x: Floating-point tensor.
    """
    return tf.cast(x, "float64") if _has_float64.value else x


def solve(matrix, right):
    """Return `X` of `matrix X = right`, NaN where `matrix` is not finite.

    Args:
        matrix: `[..., n, n]`, invertible.
        right: `[..., n, k]`.

    Example:

    >>> from kerasmeta.ops.linear_systems import solve
    >>> matrices = tf.constant([[[2.0]], [[float("nan")]]])
    >>> solve(matrices, tf.ones((2, 1, 1))).numpy().ravel()
    array([0.5, nan], dtype=float32)
    """
    finite, is_finite = _finite(matrix)
    return _or_nan(tf.linalg.solve(finite, right), is_finite)


def cholesky(matrix):
    """Return the Cholesky factor of a matrix, NaN where it is not finite.

    Args:
        matrix: Positive definite, `[..., n, n]`.

    Example:

    >>> from kerasmeta.ops.linear_systems import cholesky
    >>> matrices = tf.constant([[[4.0]], [[float("inf")]]])
    >>> cholesky(matrices).numpy().ravel()
    array([ 2., nan], dtype=float32)
    """
    finite, is_finite = _finite(matrix)
    return _or_nan(tf.linalg.cholesky(finite), is_finite)


def _finite(matrix):
    """Return matrices, the identity in place of those that are not finite."""
    # `is_finite` is no operation of LiteRT; nothing compares with NaN.
    is_finite = tf.reduce_all(
        tf.abs(matrix) <= matrix.dtype.max, axis=[-2, -1], keepdims=True
    )
    identity = tf.eye(tf.shape(matrix)[-1], dtype=matrix.dtype)
    return tf.where(is_finite, matrix, identity), is_finite


def _or_nan(result, is_finite):
    return tf.where(is_finite, result, tf.constant(float("nan"), result.dtype))
