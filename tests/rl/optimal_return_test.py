import itertools

import numpy as np
import pytest

import kerasmeta as km


def bayesian_return(plan, chances):
    """Return what a plan of two arms earns, over a grid of probabilities.

    A plan has an arm for each history of rewards.
    """
    pulls = int(np.log2(len(plan) + 1))
    total = 0.0
    for rewards in itertools.product([0, 1], repeat=pulls):
        node, likely = 0, 1.0
        for reward in rewards:
            chance = chances[plan[node]]
            likely = likely * (chance if reward else 1 - chance)
            node = 2 * node + 1 + reward
        total += sum(rewards) * likely.mean()
    return total


def test_no_plan_is_better_and_one_is_as_good():
    # Gauss-Legendre points: exact for what is a polynomial of chances.
    points, weights = np.polynomial.legendre.leggauss(4)
    points = (points + 1) / 2
    grid = np.array(list(itertools.product(points, repeat=2))).T
    share = np.outer(weights, weights).ravel() / 4

    class Weighted(np.ndarray):
        def mean(self):
            return float((np.asarray(self) * share).sum())

    chances = [row.view(Weighted) for row in grid]
    best = max(
        bayesian_return(plan, chances)
        for plan in itertools.product([0, 1], repeat=7)
    )
    np.testing.assert_allclose(km.rl.optimal_return(2, 3), best, rtol=1e-9)


def test_what_is_greedy_is_optimal_where_pulls_are_few():
    bandits = km.rl.BernoulliBandits(arms=3)
    tasks = bandits.sample_tasks(40000, [0, 0])
    arms, _ = km.rl.Greedy().play(bandits, tasks, pulls=6, seed=[0, 1])
    regret = km.rl.cumulative_regret(tasks, arms)[-1]
    mean, width = km.rl.task_interval(regret)
    # The best arm of three pays 3/4.
    optimal = 6 * 3 / 4 - km.rl.optimal_return(3, 6)
    assert abs(mean - optimal) < 2 * width


def test_what_is_too_much():
    with pytest.raises(ValueError, match="Received: arms=5, pulls=100"):
        km.rl.optimal_return(5, 100)
    with pytest.raises(ValueError, match="pulls=0"):
        km.rl.optimal_return(2, 0)
    with pytest.raises(ValueError, match="arms=1"):
        km.rl.optimal_return(1, 500)
