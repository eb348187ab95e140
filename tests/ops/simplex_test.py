import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.simplex import project_to_simplex


def points(rows=6, width=4):
    return 2 * np.random.default_rng(0).normal(size=(rows, width))


def test_it_is_the_nearest_probability_vector():
    """The multiplier of the sum is found by bisection."""
    for point, ours in zip(points(), project_to_simplex(points(), True)):
        low, high = point.min() - 1, point.max()
        for _ in range(100):
            middle = (low + high) / 2
            too_much = np.maximum(point - middle, 0).sum() > 1
            low, high = (middle, high) if too_much else (low, middle)
        np.testing.assert_allclose(ours, np.maximum(point - low, 0), atol=1e-12)


def test_probability_vectors_stay():
    p = np.random.default_rng(0).dirichlet([0.5] * 5, size=4)
    np.testing.assert_allclose(project_to_simplex(p, True), p, atol=1e-12)


def test_entries_that_are_not_allowed_are_left_out():
    x = points()
    is_allowed = np.array([True, False, True, True])
    projected = project_to_simplex(x, is_allowed).numpy()
    expected = project_to_simplex(x[:, is_allowed], True)
    np.testing.assert_allclose(projected[:, is_allowed], expected, rtol=1e-12)
    assert (projected[:, 1] == 0).all()


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_single_precision_of_any_size(scale):
    x = tf.constant(scale * points(), "float32")
    projected = project_to_simplex(x, True).numpy()
    assert (projected >= 0).all()
    np.testing.assert_allclose(projected.sum(-1), 1, rtol=1e-6)


def test_unknown_sizes():
    projected = tf.function(
        lambda x: project_to_simplex(x, True),
        input_signature=[tf.TensorSpec([None, None], "float64")],
    )
    np.testing.assert_array_equal(
        projected(points()), project_to_simplex(points(), True)
    )
