"""Linear systems solved by products with their matrix."""

import tensorflow as tf

from kerasmeta.ops.safe_ratio import safe_ratio


def conjugate_gradient(product, target, steps, start=None):
    """Solve `A x = b` for a symmetric positive definite matrix `A`.

    Only products `A v` are needed. It takes as many steps as `A` has rows to be
    exact, and far fewer to be close where the eigenvalues are. A direction
    along which `A` is not positive ends it, and a residual of zero does: what
    is returned is then the solution so far.

    Reference: Hestenes and Stiefel, 1952, "Methods of Conjugate Gradients for
    Solving Linear Systems", Journal of Research of the NBS 49.

    Args:
        product: Function of a list of tensors `v` that returns `A v`.
        target: `b`, a list of tensors.
        steps: Number of steps, an integer. The graph holds each.
        start: Where to begin, like `target`; zero by default.

    Returns:
        `x`, a list of tensors like `target`.

    Example:

    >>> x = km.ops.conjugate_gradient(
    ...     lambda v: [v[0] * [2.0, 4.0]], [tf.constant([2.0, 2.0])], steps=2
    ... )
    >>> x[0].numpy().round(4)
    array([1. , 0.5], dtype=float32)
    """
    if start is None:
        x, residual = [tf.zeros_like(b) for b in target], target
    else:
        x, residual = start, _add(target, -1, product(start))
    direction, square = residual, _dot(residual, residual)
    goes_on = tf.constant(True)
    for _ in range(steps):
        image = product(direction)
        curvature = _dot(direction, image)
        goes_on &= (curvature > 0) & (square > 0)
        length = safe_ratio(square, curvature, goes_on)
        x = _add(x, length, direction)
        residual = _add(residual, -length, image)
        before, square = square, _dot(residual, residual)
        ratio = safe_ratio(square, before, goes_on)
        direction = _add(residual, ratio, direction)
    return x


def _dot(a, b):
    return tf.add_n([tf.reduce_sum(u * v) for u, v in zip(a, b)])


def _add(a, factor, b):
    return [u + factor * v for u, v in zip(a, b)]
