import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.rl.collect import collect


def test_without_gymnasium(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ImportError, match=r"kerasmeta\[gymnasium\]"):
        km.rl.GymnasiumTasks(lambda number: None, horizon=3)


@pytest.fixture
def gymnasium():
    return pytest.importorskip(
        "gymnasium", reason="needs Gymnasium, `kerasmeta[gymnasium]`"
    )


def walks(gymnasium, actions):
    """Return a function that makes walks on a line."""

    class Walk(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-9.0, 9.0, (1,))
        action_space = actions

        def __init__(self, number):
            self.number = number

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            self.place = self.np_random.uniform()
            return np.array([self.place], "float32"), {}

        def step(self, action):
            self.place += float(np.sum(action))
            seen = np.array([self.place], "float32")
            return seen, self.number, self.place > 5, False, {}

    return Walk


@pytest.fixture
def numbered(gymnasium):
    make = walks(gymnasium, gymnasium.spaces.Discrete(2, start=1))
    return km.rl.GymnasiumTasks(make, horizon=3)


def test_numbered_actions(numbered):
    assert numbered.is_discrete and numbered.action_size == 2
    tasks = {"number": tf.constant([5, 7], "int64")}
    state, first = numbered.reset(tasks, [0, 0])
    assert 0 <= first.numpy().min() and first.numpy().max() <= 1
    assert first[0, 0] != first[1, 0]
    before = state
    state, second, reward, done = numbered.step(tasks, state, [0, 1], [0, 1])
    np.testing.assert_allclose(second - first, [[1], [2]], rtol=1e-5)
    np.testing.assert_array_equal(reward, [5, 7])
    state, _, _, done = numbered.step(tasks, state, [0, 1], [0, 2])
    np.testing.assert_array_equal(done, [False, False])
    state, last, _, done = numbered.step(tasks, state, [0, 1], [0, 3])
    np.testing.assert_array_equal(done, [True, True])
    only = tf.constant([False, True])
    state, begun = numbered.restart(tasks, state, last, only, [0, 4])
    np.testing.assert_array_equal(state["time"], [3, 0])
    assert begun[0, 0] == last[0, 0] and begun[1, 0] <= 1
    with pytest.raises(ValueError, match="one state only"):
        numbered.step(tasks, before, [0, 1], [0, 5])


def test_vectors_are_clipped_and_scaled(gymnasium):
    low, high = np.array([0.0, -1.0]), np.array([1.0, 3.0])
    box = gymnasium.spaces.Box(low, high, dtype="float64")
    environment = km.rl.GymnasiumTasks(walks(gymnasium, box), horizon=3)
    assert not environment.is_discrete and environment.action_size == 2
    tasks = {"number": tf.constant([1], "int64")}
    state, first = environment.reset(tasks, [0, 0])
    action = tf.constant([[0.0, -7.0]])
    _, second, _, _ = environment.step(tasks, state, action, [0, 1])
    np.testing.assert_allclose(second - first, [[0.5 - 1]], rtol=1e-5)


def test_a_learner_acts_in_it(numbered):
    learner = km.rl.RL2(numbered, trial_length=6, units=4)
    learner.compile(optimizer=keras.optimizers.Adam(1e-2))
    trials = numbered.trials(3)
    learner.fit(trials, steps_per_epoch=2, verbose=0)
    played = []
    for _ in range(2):
        [batch] = trials.take(1)
        played.append(learner.play(batch["tasks"], batch["seed"][0]))
    for name, values in played[0].items():
        np.testing.assert_array_equal(values, played[1][name])
    paid = np.tile(batch["tasks"]["number"], (6, 1))
    np.testing.assert_allclose(played[0]["reward"], paid)
    # Two steps of two, or three steps, and the next episode begins.
    assert played[0]["done"].numpy().sum(axis=0).min() >= 2


def test_what_has_ended_is_not_stepped(gymnasium):
    steps = []

    def make(number):
        walk = walks(gymnasium, gymnasium.spaces.Discrete(2, start=1))(number)
        step = walk.step
        walk.step = lambda action: steps.append(number) or step(action)
        return walk

    environment = km.rl.GymnasiumTasks(make, horizon=9)
    tasks = {"number": tf.constant([5, 7], "int64")}

    def ones_and_twos(memory, last, seed):
        return memory, tf.constant([0, 1])

    seen = collect(environment, tasks, ones_and_twos, (), 7, [0, 0])
    # By steps of two, more than five is reached in three; by ones in five.
    np.testing.assert_array_equal(seen["mask"].numpy().sum(axis=0), [5, 3])
    assert steps.count(5) == 5 and steps.count(7) == 3
    assert seen["done"].numpy()[2:, 1].all()
    np.testing.assert_array_equal(seen["reward"][:, 1], [7] * 3 + [0] * 4)
    stays = seen["observation"].numpy()[3:, 1]
    assert (stays == stays[0]).all() and stays[0] > 5


@pytest.mark.parametrize("what, name", [("Rewards", 1), ("Observations", 0)])
def test_numbers_that_are_none(gymnasium, what, name):
    walk = walks(gymnasium, gymnasium.spaces.Discrete(2))

    class Broken(walk):
        def step(self, action):
            results = list(super().step(action))
            results[name] = results[name] * np.nan
            return results

    environment = km.rl.GymnasiumTasks(Broken, horizon=3)
    tasks = {"number": tf.constant([5], "int64")}
    state, _ = environment.reset(tasks, [0, 0])
    with pytest.raises(ValueError, match=f"{what} must be finite"):
        environment.step(tasks, state, [0], [0, 1])


def test_other_spaces_of_actions(gymnasium):
    box = gymnasium.spaces.Box(-np.inf, np.inf, (1,))
    with pytest.raises(ValueError, match="finite bounds"):
        km.rl.GymnasiumTasks(walks(gymnasium, box), horizon=3)


def test_numbers_of_tasks_are_spread(numbered):
    numbers = numbered.sample_tasks(4000, [0, 0])["number"].numpy()
    assert len(np.unique(numbers % 128)) == 128
    assert len(np.unique(numbers)) > 3990


def test_it_is_not_saved(numbered):
    with pytest.raises(NotImplementedError, match="`GymnasiumTasks` cannot"):
        numbered.get_config()
