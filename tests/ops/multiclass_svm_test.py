import numpy as np
import pytest
import tensorflow as tf
from sklearn.svm import LinearSVC

from kerasmeta.ops.multiclass_svm import _solve_dual
from kerasmeta.ops.multiclass_svm import multiclass_svm

# Fewer examples than features, and more.
SHAPES = [(6, 10), (15, 4)]
COSTS = [0.02, 0.1, 10.0]


def problem(size, width, tasks=2, ways=3):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(tasks, size, width))
    labels = np.stack(
        [generator.permutation(size) % ways for _ in range(tasks)]
    )
    return x + np.eye(ways, width)[labels], np.eye(ways)[labels]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cost", COSTS)
def test_weights_are_those_of_scikit_learn(shape, cost):
    x, targets = problem(*shape)
    weights = multiclass_svm(x, targets, cost).numpy()
    for i in range(len(x)):
        machine = LinearSVC(
            C=cost,
            multi_class="crammer_singer",
            fit_intercept=False,
            tol=1e-10,
            max_iter=1_000_000,
        ).fit(x[i], targets[i].argmax(-1))
        np.testing.assert_allclose(
            weights[i], machine.coef_.T, rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize("cost", COSTS)
def test_no_gap_to_the_dual(cost):
    """Strong duality proves the optimum, with any feasible dual point."""
    x, targets = problem(*SHAPES[0])
    for features, labels, weights in zip(
        x, targets, multiclass_svm(x, targets, cost).numpy()
    ):
        scores = features @ weights
        right = np.sum(scores * labels, -1, keepdims=True)
        slacks = (1 - labels + scores - right).max(-1)
        primal = 0.5 * np.sum(weights**2) + cost * slacks.sum()
        # With fewer examples than features the dual point is unique.
        a = np.linalg.lstsq(features.T, weights, rcond=None)[0]
        np.testing.assert_allclose(a.sum(-1), 0, atol=1e-10 * cost)
        assert (a <= cost * labels + 1e-10 * cost).all()
        dual = np.sum(a * labels) - 0.5 * np.sum((features.T @ a) ** 2)
        assert primal - dual < 1e-7 * primal


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_conditions_of_the_optimum_with_many_shots(scale):
    """5 ways and 20 shots, with the steps that it takes by default."""
    generator = np.random.default_rng(0)
    labels = np.arange(100) % 5
    x = generator.normal(size=(5, 160))[labels]
    x = scale * np.maximum(x + generator.normal(size=(100, 160)), 0.0)
    targets = np.eye(5)[labels]
    weights = multiclass_svm(x[None], targets[None], 0.1)[0].numpy()
    a = np.linalg.lstsq(x.T, weights, rcond=None)[0]
    scores = 1 - targets + x @ weights
    excess = scores - scores.max(axis=1, keepdims=True)
    # The own class pulls by 0.1 at most, others push, and only the highest.
    np.testing.assert_allclose(a.sum(axis=1), 0, atol=1e-9)
    assert (a <= 0.1 * targets + 1e-9).all()
    assert np.abs(excess[a < 0.1 * targets - 1e-9]).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("max_steps, limit", [(1000, 1e-4), (3000, 1e-7)])
def test_conditions_of_the_optimum_with_many_classes(max_steps, limit):
    """60 ways, 5 shots and 64 features: more examples than features."""
    generator = np.random.default_rng(0)
    labels = np.arange(300) % 60
    x = generator.normal(size=(60, 64))[labels]
    x = np.maximum(x + generator.normal(size=(300, 64)), 0.0)
    targets = np.eye(60)[labels]
    weights = multiclass_svm(x[None], targets[None], 0.1, max_steps=max_steps)[
        0
    ].numpy()
    is_class = tf.ones((1, 1, 60), "bool")
    gram = tf.constant((x @ x.T)[None])
    probabilities = _solve_dual(
        gram, tf.constant(targets[None]), is_class, 0.1, max_steps
    )[0].numpy()
    # A point that is feasible in the dual and makes these weights,
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    a = 0.1 * (targets - probabilities)
    np.testing.assert_allclose(weights, x.T @ a, atol=1e-12)
    # in which only the highest scores have any probability:
    scores = 1 - targets + x @ weights
    short = scores.max(axis=1, keepdims=True) - scores
    assert (probabilities * short).max() < limit
    # so that the primal is not larger than the dual.
    slacks = short[targets > 0]
    squares = np.sum(weights**2)
    gap = squares + 0.1 * slacks.sum() - np.sum(a * targets)
    assert 0 <= gap < limit * squares


@pytest.mark.parametrize("shape", SHAPES)
def test_single_precision_with_wide_margins(shape):
    """Multipliers that are a small part of the cost."""
    x, targets = problem(*shape)
    x = 20 * x
    expected = multiclass_svm(x, targets, 10.0)
    weights = multiclass_svm(
        x.astype("float32"), targets.astype("float32"), 10.0
    )
    assert weights.dtype == "float32"
    np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cost", COSTS)
def test_implicit_gradients_are_finite_differences(shape, cost):
    """Of all weights, along random directions."""
    x, targets = problem(*shape, tasks=1)
    mask = np.arange(shape[0])[None] > 0
    generator = np.random.default_rng(1)

    def solve(x):
        return multiclass_svm(x, targets, cost, mask)

    for _ in range(2):
        direction = generator.normal(size=x.shape)
        upstream = generator.normal(size=(1, shape[1], 3))
        with tf.GradientTape() as tape:
            point = tf.constant(x)
            tape.watch(point)
            loss = tf.reduce_sum(upstream * solve(point))
        slope = np.sum(tape.gradient(loss, point) * direction)
        rise = solve(x + 1e-5 * direction) - solve(x - 1e-5 * direction)
        expected = np.sum(upstream * rise) / 2e-5
        assert slope == pytest.approx(expected, rel=1e-4)


def test_gradients_of_a_task_do_not_depend_on_others():
    x, targets = problem(*SHAPES[0])

    def gradient(x, targets):
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(multiclass_svm(x, targets, 0.1) ** 3)
        return tape.gradient(loss, x)

    # The second task has converged long before the first.
    x[1] *= 1e-3
    together = gradient(x, targets)
    for i in range(2):
        alone = gradient(x[i : i + 1], targets[i : i + 1])[0]
        np.testing.assert_allclose(together[i], alone, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_padding_does_not_matter(shape):
    x, targets = problem(*shape)
    expected = multiclass_svm(x, targets, 0.3)
    noise = np.full((2, 6, shape[1]), np.nan)
    classes = np.eye(3)[[[0, 1, 2] * 2] * 2]
    weights = multiclass_svm(
        np.concatenate([x, noise], axis=1),
        np.concatenate([targets, classes], axis=1),
        0.3,
        mask=np.arange(shape[0] + 6)[None] < [[shape[0]]] * 2,
    )
    np.testing.assert_allclose(weights, expected, rtol=1e-7, atol=1e-9)


def test_a_class_without_examples_takes_no_part():
    x, targets = problem(*SHAPES[0])
    expected = multiclass_svm(x, targets, 0.3)
    more = np.insert(targets, 1, 0.0, axis=-1)
    weights = multiclass_svm(x, more, 0.3).numpy()
    assert (weights[..., 1] == 0).all()
    np.testing.assert_allclose(
        np.delete(weights, 1, axis=-1), expected, rtol=1e-7, atol=1e-9
    )


def test_equal_examples_and_no_features():
    """Solutions of the dual that are not unique, and all of them."""
    x, targets = problem(*SHAPES[0])
    x = np.concatenate([x, x, 0 * x], axis=1)
    targets = np.concatenate([targets] * 3, axis=1)

    def gradient(x, targets, cost):
        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            weights = multiclass_svm(x, targets, cost)
            loss = tf.reduce_sum(weights**3)
        return weights, tape.gradient(loss, x).numpy()

    weights, twice = gradient(x, targets, 0.1)
    expected, once = gradient(x[:, :6], targets[:, :6], 0.2)
    np.testing.assert_allclose(weights, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        twice[:, :6] + twice[:, 6:12], once, rtol=1e-5, atol=1e-7
    )


def test_unknown_sizes():
    signature = [tf.TensorSpec([None, None, None], "float64")] * 2
    solved = tf.function(
        lambda x, y: multiclass_svm(x, y, 0.3), input_signature=signature
    )
    x, targets = problem(*SHAPES[0])
    np.testing.assert_allclose(
        solved(x, targets), multiclass_svm(x, targets, 0.3), rtol=1e-9
    )


def test_steps_are_bounded():
    x, targets = problem(*SHAPES[1])
    one = multiclass_svm(x, targets, 0.1, max_steps=1).numpy()
    two = multiclass_svm(x, targets, 0.1, max_steps=2).numpy()
    exact = multiclass_svm(x, targets, 0.1).numpy()
    assert np.abs(two - exact).max() < np.abs(one - exact).max()
    assert np.abs(two - exact).max() > 1e-4
