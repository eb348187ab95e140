import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.ops.conjugate_gradient import conjugate_gradient

GENERATOR = np.random.default_rng(0)


def system(size=6):
    root = GENERATOR.normal(size=(size, size))
    return root @ root.T + np.eye(size), GENERATOR.normal(size=size)


def product_with(matrix, split=2):
    """Multiply by a matrix the two tensors `[split]` and `[1, rest]`."""

    def product(vectors):
        flat = tf.concat([tf.reshape(v, [-1]) for v in vectors], 0)
        image = tf.linalg.matvec(matrix, flat)
        return [image[:split], image[None, split:]]

    return product


def flat(vectors):
    return np.concatenate([np.ravel(v) for v in vectors])


def as_list(vector, split=2):
    return [tf.constant(vector[:split]), tf.constant(vector[None, split:])]


@pytest.mark.parametrize("begins", ["zero", "target"])
@pytest.mark.parametrize("compiled", [False, True])
def test_solves_as_numpy(begins, compiled):
    matrix, target = system()

    def solve(target):
        start = target if begins == "target" else None
        return conjugate_gradient(product_with(matrix), target, 6, start)

    solve = tf.function(solve) if compiled else solve
    np.testing.assert_allclose(
        flat(solve(as_list(target))), np.linalg.solve(matrix, target), rtol=1e-7
    )


def test_each_step_comes_closer():
    matrix, target = system()
    expected = np.linalg.solve(matrix, target)

    def distance(steps):
        x = conjugate_gradient(product_with(matrix), as_list(target), steps)
        error = flat(x) - expected
        return error @ matrix @ error

    distances = [distance(steps) for steps in range(7)]
    assert distances == sorted(distances, reverse=True)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_goes_on_after_the_solution_without_harm(dtype):
    # The identity is solved in one step, zero in none.
    for target in (tf.constant([1.0, 2.0], dtype), tf.zeros([2], dtype)):
        (x,) = conjugate_gradient(lambda v: v, [target], steps=5)
        assert x.dtype == dtype
        np.testing.assert_array_equal(x, target)


def test_many_steps_stay_at_the_solution():
    matrix, target = system()
    x = conjugate_gradient(product_with(matrix), as_list(target), 40)
    expected = np.linalg.solve(matrix, target)
    np.testing.assert_allclose(flat(x), expected, rtol=1e-7)


def test_a_direction_of_negative_curvature_ends_it():
    def product(vectors):
        return [vectors[0] * [1.0, -1.0]]

    start = [tf.constant([1.0, 1.0])]
    (x,) = conjugate_gradient(product, start, steps=3, start=start)
    np.testing.assert_array_equal(x, start[0])


def test_is_vectorized_over_tasks():
    pairs = [system() for _ in range(3)]
    matrices = tf.constant(np.stack([matrix for matrix, _ in pairs]))
    targets = tf.constant(np.stack([target for _, target in pairs]))

    def solve(task):
        return conjugate_gradient(
            lambda v: [tf.linalg.matvec(task[0], v[0])], [task[1]], steps=6
        )[0]

    x = tf.vectorized_map(solve, (matrices, targets))
    expected = np.linalg.solve(matrices, targets[..., None])[..., 0]
    np.testing.assert_allclose(x, expected, rtol=1e-6)
