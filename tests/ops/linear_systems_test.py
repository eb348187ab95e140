import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.linear_systems import cholesky
from kerasmeta.ops.linear_systems import no_float64
from kerasmeta.ops.linear_systems import solve
from kerasmeta.ops.linear_systems import solver_precision

GENERATOR = np.random.default_rng(0)


def positive_definite(*batch):
    roots = GENERATOR.normal(size=(*batch, 3, 3))
    return roots @ np.swapaxes(roots, -1, -2) + np.eye(3)


def test_is_numpy_where_all_is_finite():
    matrix, right = positive_definite(2, 4), GENERATOR.normal(size=(2, 4, 3, 2))
    np.testing.assert_allclose(
        solve(tf.constant(matrix), tf.constant(right)),
        np.linalg.solve(matrix, right),
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        cholesky(tf.constant(matrix)), np.linalg.cholesky(matrix), rtol=1e-9
    )


@pytest.mark.parametrize("spoiled", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_spoils_its_own_matrix_only(spoiled):
    matrix = positive_definite(3).astype("float32")
    right = tf.ones((3, 3, 1))

    def results():
        return solve(tf.constant(matrix), right), cholesky(tf.constant(matrix))

    all_before = results()
    matrix[1, 0, 2] = spoiled
    for before, after in zip(all_before, results()):
        np.testing.assert_array_equal(after[::2], before[::2])
        assert np.isnan(after[1]).all()


def test_without_float64():
    x = tf.ones(1)
    assert solver_precision(x).dtype == "float64"
    with no_float64():
        assert solver_precision(x).dtype == "float32"
    assert solver_precision(x).dtype == "float64"


def test_gradients():
    roots = tf.constant(GENERATOR.normal(size=(2, 3, 3)))
    right = tf.constant(GENERATOR.normal(size=(2, 3, 1)))

    def with_matrix(function):
        return lambda r: function(
            tf.matmul(r, r, transpose_b=True) + tf.eye(3, dtype=r.dtype)
        )

    for function in (lambda a: solve(a, right), cholesky):
        exact, numeric = tf.test.compute_gradient(
            with_matrix(function), [roots]
        )
        np.testing.assert_allclose(exact[0], numeric[0], atol=1e-6)
