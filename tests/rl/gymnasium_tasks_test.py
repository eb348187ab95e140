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


def cart_poles(gymnasium, **options):
    """Return a function that makes carts; of even ones, actions are swapped."""

    def make(number):
        cart = gymnasium.make("CartPole-v1", **options)
        cart.unwrapped.force_mag = 10.0 if number % 2 else -10.0
        return cart

    return make


def pushed(environment, numbers, steps):
    """Return what comes of the second action, again and again."""

    def second(memory, last, seed):
        return memory, tf.ones_like(last["action"])

    tasks = {"number": tf.constant(numbers, "int64")}
    seen = collect(environment, tasks, second, (), steps, [0, 0])
    return {name: values.numpy() for name, values in seen.items()}


def test_cart_poles_move_as_they_do_in_gymnasium(gymnasium):
    make, numbers = cart_poles(gymnasium), [3, 8, 5]
    environment = km.rl.GymnasiumTasks(make, horizon=30)
    assert environment.is_discrete and environment.action_size == 2
    seen = pushed(environment, numbers, steps=30)
    assert seen["observation"].shape == (30, 3, 4)
    assert len(np.unique(seen["observation"][0, :, 2])) == 3
    for i, number in enumerate(numbers):
        observed, done = (seen[name][:, i] for name in ("observation", "done"))
        fallen = done.argmax()
        # Nobody balances a pole by pushing one way.
        assert 5 < fallen < 15
        cart = make(number).unwrapped
        cart.reset()
        cart.state = observed[0].astype("float64")
        for step in range(fallen):
            expected, reward, ended, _, _ = cart.step(1)
            np.testing.assert_allclose(observed[step + 1], expected, atol=1e-4)
            assert not ended and seen["reward"][step, i] == reward
        assert cart.step(1)[2] and done[fallen:].all()
        expected = np.arange(30) <= fallen
        np.testing.assert_array_equal(seen["mask"][:, i], expected)
        np.testing.assert_array_equal(seen["reward"][:, i], expected)


def test_a_time_limit_of_gymnasium_ends_an_episode(gymnasium):
    make = cart_poles(gymnasium, max_episode_steps=4)
    seen = pushed(km.rl.GymnasiumTasks(make, horizon=9), [3, 8], steps=6)
    expected = np.tile(np.arange(6)[:, None] >= 3, 2)
    np.testing.assert_array_equal(seen["done"], expected)


@pytest.mark.slow
def test_it_finds_out_how_to_balance_each_pole(gymnasium):
    """Which action pushes which way differs, and is seen by trying only."""
    make = cart_poles(gymnasium, sutton_barto_reward=True)
    environment = km.rl.GymnasiumTasks(make, horizon=50)
    learner = km.rl.RL2(environment, trial_length=50, units=32, trace=0.9)
    learner.compile(optimizer=keras.optimizers.Adam(1e-2, global_clipnorm=1.0))
    test = environment.trials(100, seed=1, num_trials=100)
    before = learner.evaluate(test, return_dict=True, verbose=0)
    learner.fit(environment.trials(64), steps_per_epoch=100, verbose=0)
    after = learner.evaluate(test, return_dict=True, verbose=0)
    # Each fall costs one.
    assert before["return"] + before["return_ci95"] < -1
    assert after["return"] - after["return_ci95"] > -0.5


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
