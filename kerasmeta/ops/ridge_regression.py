"""Ridge regression in closed form."""

import tensorflow as tf

from kerasmeta.ops.linear_features import add_penalty
from kerasmeta.ops.linear_features import smaller_system
from kerasmeta.ops.linear_systems import solve
from kerasmeta.ops.linear_systems import solver_precision
from kerasmeta.ops.zero_padding import zero_padding


def ridge_regression(x, targets, penalty, mask=None):
    """Return the weights of a ridge regression.

    `W = argmin ||X W - Y||^2 + penalty ||W||^2`

    With fewer examples than features it solves a system as large as the
    examples are many (Woodbury's identity), otherwise one as large as the
    features; the weights are the same:

    `W = X^T (X X^T + penalty I)^-1 Y = (X^T X + penalty I)^-1 X^T Y`

    There is no bias; append ones to the features for one that is penalised as
    the weights are.

    It computes in float64 and raises a penalty that is too small for that, so
    that equal examples and large features do no harm.

    Args:
        x: Features `[..., S, D]`, float32 or float64.
        targets: `[..., S, K]`.
        penalty: Positive scalar.
        mask: Optional `[..., S]`, true for the examples that count.

    Returns:
        Weights `[..., D, K]`.

    Example:

    >>> x = tf.constant([[1.0, 0.0], [0.0, 2.0]])
    >>> targets = tf.constant([[2.0], [5.0]])
    >>> km.ops.ridge_regression(x, targets, penalty=1.0).numpy()
    array([[1.],
           [2.]], dtype=float32)
    """
    dtype = tf.convert_to_tensor(x).dtype
    x, targets = (solver_precision(zero_padding(t, mask)) for t in (x, targets))

    def dual():
        gram = tf.matmul(x, x, transpose_b=True)
        solution = solve(add_penalty(gram, penalty), targets)
        return tf.matmul(x, solution, transpose_a=True)

    def primal():
        gram = tf.matmul(x, x, transpose_a=True)
        moments = tf.matmul(x, targets, transpose_a=True)
        return solve(add_penalty(gram, penalty), moments)

    return tf.cast(smaller_system(x, dual, primal), dtype)
