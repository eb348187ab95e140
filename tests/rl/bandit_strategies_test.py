import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

BANDITS = km.rl.BernoulliBandits(arms=5)


def played(strategy, num_tasks=3000, pulls=30):
    tasks = BANDITS.sample_tasks(num_tasks, [0, 0])
    arms, rewards = strategy.play(BANDITS, tasks, pulls, [0, 1])
    return tasks, arms, rewards


def simulated(choose, num_tasks=3000, pulls=30, arms=5):
    """Play with NumPy's own random numbers, and return the regret."""
    generator = np.random.default_rng(0)
    chances = generator.uniform(size=(num_tasks, arms))
    wins, losses = np.zeros((2, num_tasks, arms))
    rows = np.arange(num_tasks)
    regret = np.zeros((pulls, num_tasks))
    for pull in range(pulls):
        arm = choose(wins, losses, generator)
        is_paid = generator.uniform(size=num_tasks) < chances[rows, arm]
        wins[rows, arm] += is_paid
        losses[rows, arm] += ~is_paid
        regret[pull] = chances.max(axis=1) - chances[rows, arm]
    return np.cumsum(regret, axis=0)


def posterior_choice(wins, losses, generator):
    return generator.beta(1 + wins, 1 + losses).argmax(axis=1)


def bound_choice(wins, losses, generator):
    pulls = wins + losses
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.sqrt(2 * np.log(pulls.sum(axis=1, keepdims=True)) / pulls)
        bounds = np.where(pulls == 0, np.inf, wins / pulls + 0.5 * width)
    return bounds.argmax(axis=1)


def prior_bound_choice(wins, losses, generator):
    wins, pulls = wins + 1, wins + losses + 2
    logarithm = np.log(pulls.sum(axis=1, keepdims=True))
    bounds = wins / pulls + 0.3 * np.sqrt(2 * logarithm / pulls)
    return bounds.argmax(axis=1)


def greedy_choice(wins, losses, generator):
    # Means of no more than 30 pulls differ by more than what is taken off.
    pulls = wins + losses
    return ((1 + wins) / (2 + pulls) - 1e-6 * pulls).argmax(axis=1)


def random_choice(wins, losses, generator):
    return generator.integers(0, wins.shape[1], size=len(wins))


@pytest.mark.parametrize(
    "strategy, choose",
    [
        (km.rl.ThompsonSampling(), posterior_choice),
        (km.rl.UCB1(exploration=0.5), bound_choice),
        (km.rl.UCB1(exploration=0.3, prior=1), prior_bound_choice),
        (km.rl.Greedy(), greedy_choice),
        (km.rl.RandomArms(), random_choice),
    ],
)
def test_regret_is_that_of_an_independent_simulation(strategy, choose):
    tasks, arms, _ = played(strategy)
    regret = km.rl.cumulative_regret(tasks, arms)
    mean, width = km.rl.task_interval(regret)
    expected = simulated(choose)
    error = expected.std(axis=1, ddof=1) / len(expected[0]) ** 0.5
    # Four standard errors of the difference, at all 30 pulls.
    both = np.sqrt((width / 1.96) ** 2 + error**2)
    assert (np.abs(mean - expected.mean(axis=1)) < 4 * both).all()


def test_rewards_are_those_of_the_arms():
    tasks, arms, rewards = played(km.rl.RandomArms())
    chances = np.take_along_axis(
        tasks["probabilities"].numpy(), arms.numpy().T, axis=1
    ).T
    assert set(np.unique(rewards)) == {0, 1}
    surprise = rewards.numpy() - chances
    assert abs(surprise.mean()) < 5 * 0.5 / surprise.size**0.5


def test_choices_on_known_counts():
    wins = tf.constant([[1.0, 0.0, 0.0], [3.0, 5.0, 1.0]])
    losses = tf.constant([[0.0, 1.0, 0.0], [1.0, 2.0, 0.0]])
    arms = km.rl.UCB1(exploration=1e-3).choose(wins, losses, [0, 0])
    # What was never pulled comes first; then the best mean.
    np.testing.assert_array_equal(arms, [2, 2])
    # With a prior it is the best posterior mean, of equals the least pulled.
    arms = km.rl.UCB1(exploration=1e-3, prior=1).choose(wins, losses, [0, 0])
    np.testing.assert_array_equal(arms, [0, 2])
    # The posterior means are 2/3, 1/3 and 1/2, and all 2/3.
    arms = km.rl.Greedy().choose(wins, losses, [0, 0])
    np.testing.assert_array_equal(arms, [0, 2])
    wins, losses = (tf.repeat(t[1:], 20000, axis=0) for t in (wins, losses))
    arms = km.rl.ThompsonSampling().choose(wins, losses, [0, 0])
    generator = np.random.default_rng(0)
    draws = generator.beta([4, 6, 2], [2, 3, 1], size=(200000, 3))
    shares = np.bincount(draws.argmax(axis=1)) / 200000
    received = np.bincount(arms) / 20000
    np.testing.assert_allclose(received, shares, atol=5 * 0.5 / 20000**0.5)


def test_the_same_seed_plays_the_same():
    strategy = km.rl.ThompsonSampling()
    first, again = (played(strategy, 20, 5)[1] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_intervals_are_over_tasks():
    values = np.random.default_rng(0).normal(size=(2, 50))
    mean, width = km.rl.task_interval(tf.constant(values))
    np.testing.assert_allclose(mean, values.mean(axis=1))
    expected = 1.96 * values.std(axis=1, ddof=1) / 50**0.5
    np.testing.assert_allclose(width, expected, rtol=1e-4)


def test_bad_arguments():
    with pytest.raises(ValueError, match="exploration=0"):
        km.rl.UCB1(exploration=0)
    with pytest.raises(ValueError, match="prior=-1"):
        km.rl.UCB1(prior=-1)
    with pytest.raises(ValueError, match="pulls=0"):
        played(km.rl.RandomArms(), 2, pulls=0)
