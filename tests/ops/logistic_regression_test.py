import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

from kerasmeta.ops.logistic_regression import logistic_regression

# Fewer examples than features, and more.
SHAPES = [(5, 8), (12, 3)]


def problem(size, width, tasks=2, outputs=3):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(tasks, size, width))
    labels = np.stack(
        [generator.permutation(size) % outputs for _ in range(tasks)]
    )
    return x, np.eye(outputs)[labels]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("penalty", [0.1, 5.0])
def test_weights_are_those_of_scikit_learn(shape, penalty):
    x, targets = problem(*shape)
    weights = logistic_regression(x, targets, penalty, steps=15)
    for task, output in np.ndindex(2, 3):
        model = LogisticRegression(
            C=1 / penalty, fit_intercept=False, tol=1e-10, max_iter=10_000
        )
        model.fit(x[task], targets[task, :, output])
        np.testing.assert_allclose(
            weights[task, :, output], model.coef_[0], rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize("shape", SHAPES)
def test_steps_are_newtons(shape):
    """Each step of the derivation, for weights and without padding."""
    x, targets = problem(*shape)
    for steps in (1, 2, 3):
        weights = logistic_regression(x, targets, 0.5, steps)
        for task, output in np.ndindex(2, 3):
            w, features = np.zeros(shape[1]), x[task]
            for _ in range(steps):
                p = 1 / (1 + np.exp(-features @ w))
                gradient = features.T @ (p - targets[task, :, output]) + 0.5 * w
                hessian = (features.T * p * (1 - p)) @ features
                hessian += 0.5 * np.eye(shape[1])
                w -= np.linalg.solve(hessian, gradient)
            np.testing.assert_allclose(weights[task, :, output], w, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_single_precision_where_probabilities_saturate(shape):
    x, targets = problem(*shape)
    x = 30 * x
    expected = logistic_regression(x, targets, 1.0, steps=15)
    weights = logistic_regression(
        x.astype("float32"), targets.astype("float32"), 1.0, steps=15
    )
    np.testing.assert_allclose(weights, expected, rtol=1e-2, atol=1e-4)


def copies(norm, width):
    """Three examples again and again, of any norm."""
    x, targets = problem(9, width)
    x *= norm / np.linalg.norm(x, axis=-1, keepdims=True)
    return [np.concatenate([a[:, :3]] * 4, axis=1) for a in (x, targets)]


# More features than examples, and fewer.
@pytest.mark.parametrize("width", [20, 5])
@pytest.mark.parametrize("norm", [1.0, 1e3, 1e4])
def test_equal_examples_in_single_precision(norm, width):
    x, targets = (a.astype("float32") for a in copies(norm, width))
    weights = logistic_regression(x, targets, 1.0, 5)
    for task, output in np.ndindex(2, 3):
        w, exact = np.zeros(width), x[task].astype("float64")
        for _ in range(5):
            p = 1 / (1 + np.exp(-exact @ w))
            gradient = exact.T @ (p - targets[task, :, output]) + w
            hessian = (exact.T * p * (1 - p)) @ exact + np.eye(width)
            w -= np.linalg.solve(hessian, gradient)
        size = np.abs(w).max()
        np.testing.assert_allclose(
            weights[task, :, output], w, atol=1e-4 * size
        )


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", [1e-12, 0.0])
def test_a_penalty_that_is_lost_is_raised(penalty, dtype, jit_compile):
    """Equal examples would make the system singular, and end the program."""
    x, targets = (tf.constant(a, dtype) for a in copies(1e4, 20))

    @tf.function(jit_compile=jit_compile)
    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            weights = logistic_regression(x, targets, penalty, 5)
        return weights, tape.gradient(weights, x)

    weights, gradient = gradients(x)
    assert np.isfinite(gradient).all()
    assert (((x @ weights).numpy() > 0) == (targets.numpy() > 0)).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_padding_does_not_matter(shape):
    x, targets = problem(*shape)
    expected = logistic_regression(x, targets, 0.3, steps=4)
    mask = np.arange(shape[0] + 6)[None] < [[shape[0]]] * 2
    padded = [
        np.concatenate([a, np.full((2, 6, a.shape[-1]), np.nan)], axis=1)
        for a in (x, targets)
    ]
    weights = logistic_regression(*padded, 0.3, steps=4, mask=mask)
    np.testing.assert_allclose(weights, expected, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients_are_finite_differences(shape):
    x, targets = problem(*shape, tasks=1, outputs=2)
    mask = np.arange(shape[0])[None] > 0

    def solve(x, log):
        return logistic_regression(x, targets, tf.exp(log), 3, mask)

    analytic, numeric = tf.test.compute_gradient(
        tf.function(solve), [tf.constant(x), tf.constant(-0.5, "float64")]
    )
    for ours, expected in zip(analytic, numeric):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_unknown_sizes(shape):
    signature = [tf.TensorSpec([None, None, None], "float64")] * 2
    solved = tf.function(
        lambda x, y: logistic_regression(x, y, 0.3, steps=2),
        input_signature=signature,
    )
    x, targets = problem(*shape)
    np.testing.assert_allclose(
        solved(x, targets),
        logistic_regression(x, targets, 0.3, steps=2),
        rtol=1e-9,
    )


def objectives(x, targets, penalty, steps):
    """What Newton's method minimises, of all tasks and outputs."""
    weights = logistic_regression(x, targets, penalty, steps).numpy()
    weights = weights.astype("float64")
    log_odds = x @ weights
    losses = np.logaddexp(0.0, log_odds) - targets * log_odds
    return losses.sum() + 0.5 * penalty * np.sum(weights**2)


@pytest.mark.parametrize("penalty", [1.0, 1e-4, 1e-8])
def test_no_step_overshoots_on_separable_data(penalty):
    """Nor in single precision, where each probability rounds to 0 or 1."""
    x, targets = problem(10, 20)
    values = [objectives(x, targets, penalty, steps) for steps in range(1, 9)]
    assert (np.diff(values) < 1e-9 * values[0]).all()
    single = [a.astype("float32") for a in (x, targets)]
    for steps in (5, 20):
        np.testing.assert_allclose(
            objectives(*single, penalty, steps),
            objectives(x, targets, penalty, steps),
            rtol=0.02,
        )
