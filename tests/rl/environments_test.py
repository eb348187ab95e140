import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

ENVIRONMENTS = {
    "bandits": km.rl.BernoulliBandits(arms=3),
    "mdps": km.rl.TabularMDPs(states=4, actions=3, horizon=2),
    "navigation": km.rl.Navigation2D(horizon=2),
}


def some_action(environment, num_tasks):
    if environment.is_discrete:
        return tf.range(num_tasks) % environment.action_size
    return tf.fill([num_tasks, environment.action_size], 0.5)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_functions_are_pure(name):
    environment = ENVIRONMENTS[name]

    def run(seed):
        tasks = environment.sample_tasks(5, [seed, 0])
        state, first = environment.reset(tasks, [seed, 1])
        action = some_action(environment, 5)
        return tasks, first, environment.step(tasks, state, action, [seed, 2])

    compiled = tf.function(run, jit_compile=True)
    tf.nest.map_structure(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
        run(3),
        compiled(tf.constant(3, "int64")),
    )
    values = [tf.nest.flatten(run(seed)[0])[0].numpy() for seed in (3, 4)]
    assert (values[0] != values[1]).mean() > 0.9


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_episodes_end_at_the_horizon_and_begin_again(name):
    environment = ENVIRONMENTS[name]
    tasks = environment.sample_tasks(4, [0, 0])
    state, first = environment.reset(tasks, [0, 1])
    observation = first
    for step in range(environment.horizon):
        state, observation, reward, done = environment.step(
            tasks, state, some_action(environment, 4), [0, 2 + step]
        )
        assert observation.shape == (4, environment.observation_size)
        assert reward.shape == done.shape == (4,)
        assert done.numpy().all() == (step == environment.horizon - 1)
    only = tf.constant([True, False, True, False])
    new_state, new = environment.restart(
        tasks, state, observation, only, [0, 9]
    )
    expected = np.where(only[:, None], first, observation)
    np.testing.assert_array_equal(new, expected)
    for name, values in new_state.items():
        begun = environment.reset(tasks, [0, 9])[0][name]
        np.testing.assert_array_equal(values[0], begun[0])
        np.testing.assert_array_equal(values[1], state[name][1])


def test_arms_pay_with_their_probabilities():
    bandits = km.rl.BernoulliBandits(arms=2)
    chances = tf.repeat(tf.constant([[0.2, 0.9]]), 40000, axis=0)
    arms = tf.range(40000) % 2
    _, _, reward, _ = bandits.step({"probabilities": chances}, {}, arms, [0, 0])
    means = [np.mean(reward[arm::2]) for arm in range(2)]
    # Five standard errors.
    np.testing.assert_allclose(means, [0.2, 0.9], atol=5 * 0.4 / 20000**0.5)


def test_mdps_have_the_distribution_of_the_paper():
    mdps = km.rl.TabularMDPs()
    tasks = mdps.sample_tasks(400, [0, 0])
    rewards, transitions = tasks["rewards"], tasks["transitions"]
    assert transitions.shape == (400, 10, 5, 10)
    np.testing.assert_allclose(np.sum(transitions, -1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.mean(rewards), 1, atol=5 / 20000**0.5)
    np.testing.assert_allclose(np.std(rewards), 1, atol=5 / 40000**0.5)
    # Of a flat Dirichlet distribution: mean 1/10, variance 9/(100 * 11).
    np.testing.assert_allclose(np.var(transitions), 9 / 1100, rtol=0.03)


def test_mdps_move_and_pay_as_their_tasks_say():
    mdps = km.rl.TabularMDPs(states=2, actions=2, horizon=3)
    chances = np.array([[[0.3, 0.7], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]])
    one = {
        "transitions": tf.constant(chances, "float32"),
        "rewards": tf.constant([[1.0, 2.0], [3.0, 4.0]]),
    }
    tasks = {k: tf.repeat(v[None], 20000, axis=0) for k, v in one.items()}
    state, observation = mdps.reset(tasks, [0, 0])
    np.testing.assert_array_equal(observation[0], [1, 0])
    action = tf.zeros([20000], "int32")
    state, observation, reward, _ = mdps.step(tasks, state, action, [0, 1])
    tolerance = 5 / 20000**0.5
    np.testing.assert_allclose(np.mean(observation, 0), [0.3, 0.7], atol=0.02)
    np.testing.assert_allclose(np.mean(reward), 1, atol=tolerance)
    np.testing.assert_allclose(np.std(reward), 1, atol=tolerance)
    place = state["place"].numpy()
    _, _, reward, _ = mdps.step(tasks, state, action + 1, [0, 2])
    means = [np.mean(reward[place == s]) for s in range(2)]
    np.testing.assert_allclose(means, [2, 4], atol=0.07)
    # What has happened before does not matter to what the noise is now.
    covariance = np.cov(place == 1, reward - np.where(place, 4, 2))[0, 1]
    assert abs(covariance) < tolerance


def test_the_point_moves_and_arrives():
    navigation = km.rl.Navigation2D(horizon=100)
    goals = navigation.sample_tasks(1000, [0, 0])["goal"].numpy()
    assert abs(goals).max() <= 0.5 and abs(goals).max() > 0.49
    np.testing.assert_allclose(np.std(goals), 12**-0.5, atol=0.01)
    tasks = {"goal": tf.constant([[0.1, -0.05], [0.3, 0.0]])}
    state, _ = navigation.reset(tasks, [0, 0])
    action = tf.constant([[9.0, -0.5], [-2.0, 1.0]])
    state, position, reward, done = navigation.step(
        tasks, state, action, [0, 1]
    )
    np.testing.assert_allclose(position, [[0.1, -0.05], [-0.1, 0.1]])
    np.testing.assert_allclose(reward, [0, -(0.4**2 + 0.1**2)], atol=1e-6)
    np.testing.assert_array_equal(done, [True, False])


def test_trials_are_functions_of_the_seed():
    def goals(**kwargs):
        trials = ENVIRONMENTS["navigation"].trials(batch_size=3, **kwargs)
        batches = list(trials.take(2))
        seeds = np.concatenate([batch["seed"] for batch in batches])
        # Each trial has a seed of its own.
        assert seeds.shape == (3 * len(batches), 2)
        assert len(np.unique(seeds, axis=0)) == len(seeds)
        return np.concatenate([batch["tasks"]["goal"] for batch in batches])

    np.testing.assert_array_equal(goals(seed=1), goals(seed=1, num_trials=6))
    assert len(np.unique(goals(seed=1))) == 12
    assert (goals(seed=1) != goals(seed=2)).all()
    assert len(goals(num_trials=3)) == 3


def test_bad_arguments():
    with pytest.raises(ValueError, match="arms=1"):
        km.rl.BernoulliBandits(arms=1)
    with pytest.raises(ValueError, match="states=0"):
        km.rl.TabularMDPs(states=0)
    with pytest.raises(ValueError, match="horizon=0"):
        km.rl.Navigation2D(horizon=0)
    with pytest.raises(ValueError, match="multiple of `batch_size`"):
        km.rl.Navigation2D().trials(batch_size=4, num_trials=6)
