"""Logistic regression by Newton's method."""

import tensorflow as tf

from kerasmeta.ops.linear_features import add_penalty
from kerasmeta.ops.linear_features import smaller_system
from kerasmeta.ops.linear_systems import solve
from kerasmeta.ops.linear_systems import solver_precision
from kerasmeta.ops.zero_padding import zero_padding


def logistic_regression(x, targets, penalty, steps, mask=None):
    """Return the weights of logistic regressions, one for each output.

    With labels `y` of 0 and 1, those of output `n` minimise

    `sum_i log(1 + exp(x_i w)) - y_i x_i w + penalty / 2 ||w||^2`

    Newton's method begins at zero and takes full steps, each a least-squares
    problem with new weights of the examples (IRLS). Gradients go through the
    steps. Nothing shortens a step that overshoots. The first few do not, also
    where classes can be separated; of a dozen, some can, where the penalty is
    as small as 1e-6.

    With fewer examples than features it moves the multipliers `a` of the
    examples, `w = X^T a`, otherwise the weights; both visit the same weights.

    It computes in float64 and raises a penalty that is too small for that, so
    that equal examples and large features do no harm.

    Args:
        x: Features `[..., S, D]`, float32 or float64.
        targets: `[..., S, N]`, 0 or 1.
        penalty: Positive scalar.
        steps: Number of steps, an integer. The graph holds each.
        mask: Optional `[..., S]`, true for the examples that count.

    Returns:
        Weights `[..., D, N]`.

    Example:

    >>> x = tf.constant([[1.0], [-1.0]])
    >>> targets = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    >>> w = km.ops.logistic_regression(x, targets, penalty=1.0, steps=5)
    >>> w.numpy().round(3)
    array([[ 0.675, -0.675]], dtype=float32)
    """
    dtype = tf.convert_to_tensor(x).dtype
    x, targets = (solver_precision(zero_padding(t, mask)) for t in (x, targets))

    def dual():
        return _solve_dual(x, targets, penalty, steps)

    def primal():
        return _solve_primal(x, targets, penalty, steps)

    return tf.cast(smaller_system(x, dual, primal), dtype)


def _solve_dual(x, targets, penalty, steps):
    """Newton's method on the multipliers, without a division by curvatures.

    `(diag(s) X X^T + penalty I) a = s * log_odds + y - p` has a solution where
    `s` vanishes, too; its symmetric form has `1 / s`.
    """
    gram = tf.matmul(x, x, transpose_b=True)  # (..., S, S)
    a = tf.zeros_like(targets)
    for _ in range(steps):
        slopes, moments = _weigh(tf.matmul(gram, a), targets)
        slopes = tf.linalg.matrix_transpose(slopes)  # (..., N, S)
        matrix = slopes[..., None] * gram[..., None, :, :]
        a = _solve_each(matrix, moments, penalty)
    return tf.matmul(x, a, transpose_a=True)


def _solve_primal(x, targets, penalty, steps):
    """Newton's method on the weights."""
    log_odds = tf.zeros_like(targets)
    for _ in range(steps):
        slopes, moments = _weigh(log_odds, targets)
        weighted = slopes[..., None] * x[..., None, :]  # (..., S, N, D)
        matrix = tf.einsum("...snd,...se->...nde", weighted, x)
        moments = tf.matmul(x, moments, transpose_a=True)
        weights = _solve_each(matrix, moments, penalty)
        log_odds = tf.matmul(x, weights)
    return weights


def _weigh(log_odds, targets):
    """Return curvatures `s` and `s * log_odds + y - p`, `[..., S, N]`."""
    slopes = tf.sigmoid(log_odds) * tf.sigmoid(-log_odds)
    # Where a probability rounds to 1, `y - p` would lose all of its digits,
    # and a tiny penalty divides by it what is left.
    signs = 2.0 * targets - 1.0
    errors = signs * tf.sigmoid(-signs * log_odds)
    return slopes, slopes * log_odds + errors


def _solve_each(matrix, right, penalty):
    """Solve `(matrix + penalty I) v = right`, a system for each output.

    Args:
        matrix: `[..., N, M, M]`.
        right: `[..., M, N]`.
        penalty: Scalar.

    Returns:
        `[..., M, N]`.
    """
    right = tf.linalg.matrix_transpose(right)[..., None]  # (..., N, M, 1)
    solution = solve(add_penalty(matrix, penalty), right)[..., 0]
    return tf.linalg.matrix_transpose(solution)
