import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import Ridge

from kerasmeta.ops.ridge_regression import ridge_regression

# Fewer examples than features, and more.
SHAPES = [(4, 7), (9, 3)]


def problem(size, width, tasks=2, outputs=3):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(tasks, size, width))
    targets = generator.normal(size=(tasks, size, outputs))
    return x, targets


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_are_those_of_scikit_learn(shape):
    x, targets = problem(*shape)
    weights = ridge_regression(x, targets, 0.3)
    for i in range(len(x)):
        ridge = Ridge(alpha=0.3, fit_intercept=False).fit(x[i], targets[i])
        np.testing.assert_allclose(weights[i], ridge.coef_.T, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_normal_equations_hold(shape):
    x, targets = problem(*shape)
    weights = ridge_regression(x, targets, 2.0).numpy()
    errors = x @ weights - targets
    gradient = x.swapaxes(-1, -2) @ errors + 2.0 * weights
    np.testing.assert_allclose(gradient, 0, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_single_precision(shape):
    x, targets = problem(*shape)
    expected = ridge_regression(x, targets, 0.3)
    weights = ridge_regression(
        x.astype("float32"), targets.astype("float32"), 0.3
    )
    assert weights.dtype == "float32"
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-5)


def copies(norm, shape):
    """Three examples again and again, of any norm."""
    x, targets = problem(*shape)
    x *= norm / np.linalg.norm(x, axis=-1, keepdims=True)
    return [np.concatenate([a[:, :3]] * 4, axis=1) for a in (x, targets)]


# More features than examples, and fewer.
@pytest.mark.parametrize("width", [20, 5])
@pytest.mark.parametrize("norm", [1.0, 1e3, 1e4])
def test_equal_examples_in_single_precision(norm, width):
    x, targets = (a.astype("float32") for a in copies(norm, (9, width)))
    exact = x.astype("float64")
    gram = exact @ exact.swapaxes(-1, -2) + np.eye(12)
    expected = exact.swapaxes(-1, -2) @ np.linalg.solve(gram, targets)
    weights = ridge_regression(x, targets, 1.0)
    size = np.abs(expected).max()
    np.testing.assert_allclose(weights, expected, atol=1e-5 * size)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", [1e-12, 0.0])
def test_a_penalty_that_is_lost_is_raised(penalty, dtype, jit_compile):
    """Equal examples would make the system singular, and end the program."""
    x, targets = (tf.constant(a, dtype) for a in copies(1e4, (9, 20)))
    log = tf.constant(np.log(max(penalty, 1e-300)), dtype)

    @tf.function(jit_compile=jit_compile)
    def gradients(x, log):
        with tf.GradientTape() as tape:
            tape.watch([x, log])
            weights = ridge_regression(x, targets, tf.exp(log))
        return weights, *tape.gradient(weights, [x, log])

    weights, *rest = gradients(x, log)
    for tensor in rest:
        assert np.isfinite(tensor).all()
    # The examples are few: the means of their targets can be met.
    means = np.mean(np.split(targets, 4, axis=1), axis=0)
    np.testing.assert_allclose(
        (x @ weights)[:, :3], means, rtol=0.05, atol=0.05
    )


def test_a_penalty_of_nan_is_not_raised():
    x, targets = problem(4, 7)
    assert np.isnan(ridge_regression(x, targets, np.nan)).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_padding_does_not_matter(shape):
    x, targets = problem(*shape)
    expected = ridge_regression(x, targets, 0.3)
    padded = [
        np.concatenate([a, np.full((2, 5, a.shape[-1]), np.nan)], axis=1)
        for a in (x, targets)
    ]
    mask = np.arange(shape[0] + 5)[None] < [[shape[0]]] * 2
    weights = ridge_regression(*padded, 0.3, mask)
    np.testing.assert_allclose(weights, expected, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_finite_differences(shape):
    x, targets = problem(*shape, tasks=1, outputs=2)
    mask = np.arange(shape[0])[None] > 0
    analytic, numeric = tf.test.compute_gradient(
        lambda x, targets, log: ridge_regression(x, targets, tf.exp(log), mask),
        [tf.constant(x), tf.constant(targets), tf.constant(-0.5, "float64")],
    )
    for ours, expected in zip(analytic, numeric):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)


def test_unknown_sizes():
    signature = [tf.TensorSpec([None, None, None], "float64")] * 2
    solved = tf.function(
        lambda x, y: ridge_regression(x, y, 0.3), input_signature=signature
    )
    for shape in SHAPES:
        x, targets = problem(*shape)
        np.testing.assert_allclose(
            solved(x, targets), ridge_regression(x, targets, 0.3), rtol=1e-9
        )
