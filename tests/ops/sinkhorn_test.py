import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

COSTS = np.random.default_rng(0).uniform(size=(2, 6, 3))


def test_is_the_plan_of_optimal_transport():
    """Sums are right, and the plan is a scaled `exp(-sharpness * costs)`."""
    columns = tf.constant([[[1.0, 2.0, 3.0]]], "float64")
    rows = tf.ones([2, 6, 1], "float64")
    log_plan = km.ops.sinkhorn(COSTS, rows, columns, sharpness=5.0, steps=200)
    plan = np.exp(log_plan)
    np.testing.assert_allclose(plan.sum(axis=2), 1, rtol=1e-12)
    np.testing.assert_allclose(plan.sum(axis=1), [[1, 2, 3]] * 2, rtol=1e-8)
    # A sum of a column and a row has no interaction left.
    scales = log_plan + 5.0 * COSTS
    left = scales - scales[:, :1] - scales[..., :1] + scales[:, :1, :1]
    np.testing.assert_allclose(left, 0, atol=1e-10)


def test_is_cheaper_than_other_plans():
    rows, columns = np.ones((2, 6, 1)), np.full((2, 1, 3), 2.0)
    plan = np.exp(km.ops.sinkhorn(COSTS, rows, columns, 500.0, 500))
    even = np.full_like(plan, 1 / 3)
    assert (plan * COSTS).sum() < (even * COSTS).sum()
    assert np.isfinite(plan).all()


@pytest.mark.parametrize("axis", ["rows", "columns"])
def test_what_has_no_mass_changes_nothing(axis):
    rows, columns = np.ones((2, 6, 1)), np.full((2, 1, 3), 2.0)
    expected = np.exp(km.ops.sinkhorn(COSTS, rows, columns, 5.0))
    if axis == "rows":
        costs = np.concatenate([COSTS, -9 * np.ones((2, 2, 3))], axis=1)
        rows = np.concatenate([rows, np.zeros((2, 2, 1))], axis=1)
    else:
        costs = np.concatenate([COSTS, -9 * np.ones((2, 6, 2))], axis=2)
        columns = np.concatenate([columns, np.zeros((2, 1, 2))], axis=2)
    plan = np.exp(km.ops.sinkhorn(costs, rows, columns, 5.0))
    np.testing.assert_allclose(plan[:, :6, :3], expected, rtol=1e-8)
    assert plan[:, 6:].sum() + plan[..., 3:].sum() < 1e-20
