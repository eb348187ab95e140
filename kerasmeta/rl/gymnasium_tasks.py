"""Environments of Gymnasium."""

import importlib

import numpy as np
import tensorflow as tf

from kerasmeta.ops.seeded_noise import fold_seed
from kerasmeta.ops.seeded_noise import seeded_integers
from kerasmeta.rl.environment import Environment
from kerasmeta.utils import check_positive_int

# Seeds of Gymnasium are 31 bits here, which all of its versions take.
_SEEDS = 2**31 - 1


class GymnasiumTasks(Environment):
    """Environments of Gymnasium, one for each task.

    Use it to try a learner on a simulator. It needs Gymnasium:
    `pip install kerasmeta[gymnasium]`. A task is a number; your function makes
    of it an environment, such as a pendulum of another length. Actions are
    numbered (`Discrete`), or vectors (`Box`) that are clipped to -1..1 and
    scaled to the bounds of the space. Observations are flattened by
    `gymnasium.spaces.flatten`. What has ended stays as it is until `restart`,
    and earns nothing.

    It runs in Python, one environment after another, neither in XLA nor on
    several replicas. Simulators are no pure functions: only the last state of
    the last `reset` can be gone on with, so do not share one object between
    trainings that run in turns. A learner on it is not saved with `save`; use
    `save_weights`.

    Args:
        make: Function from the number of a task, an `int` of 0..2**31 - 2, to
            a `gymnasium.Env`.
        horizon: Steps after which an episode ends at the latest.

    Raises:
        ImportError: If Gymnasium is not installed.
        ValueError: If the environments have other spaces of actions.

    Example (it needs Gymnasium)::

        def make(number):
            # By default a step after a fall pays what any other does.
            env = gymnasium.make("CartPole-v1", sutton_barto_reward=True)
            env.unwrapped.force_mag = 10.0 if number % 2 else -10.0
            return env

        cart_poles = km.rl.GymnasiumTasks(make, horizon=50)
        learner = km.rl.RL2(cart_poles, trial_length=50, trace=0.9)
    """

    supports_jit = False

    def __init__(self, make, horizon):
        self._spaces = _gymnasium().spaces
        self._make = make
        example = make(0) if callable(make) else None
        if not hasattr(example, "action_space"):
            raise ValueError(
                "`make` must be a function from the number of a task to a "
                f"`gymnasium.Env`. Received: make={make!r}"
            )
        self._simulators, self._turn = [], np.int64(0)
        self._observations = None  # The last, float32 [N, observation_size].
        self._space = example.observation_space
        self._bounds = None
        actions = example.action_space
        if isinstance(actions, self._spaces.Discrete):
            self._first_action, size = int(actions.start), int(actions.n)
        elif _is_bounded_vector(actions, self._spaces):
            self._bounds, size = (actions.low, actions.high), len(actions.low)
        else:
            raise ValueError(
                "Actions must be `Discrete`, or a `Box` with one axis and "
                f"finite bounds. Received: action_space={actions}"
            )
        example.close()
        super().__init__(
            self._spaces.flatdim(self._space),
            size,
            check_positive_int("horizon", horizon),
            is_discrete=self._bounds is None,
        )

    def sample_tasks(self, num_tasks, seed):
        return {"number": _numbers([num_tasks], seed)}

    def reset(self, tasks, seed):
        def run(numbers, seeds):
            for simulator in self._simulators:
                simulator.close()
            self._simulators = [self._make(int(n)) for n in numbers]
            self._turn += 1
            size = (len(numbers), self.observation_size)
            self._observations = np.zeros(size, "float32")
            return self._turn, self._begin(range(len(numbers)), seeds)

        numbers = tasks["number"]
        seeds = _numbers(tf.shape(numbers), seed)
        turn, observation = tf.numpy_function(
            run, [numbers, seeds], ["int64", "float32"]
        )
        time = tf.zeros_like(numbers)
        state = self._state(turn, time, tf.zeros_like(numbers, "bool"))
        return state, self._seen(observation, numbers)

    def step(self, tasks, state, action, seed):
        def run(turns, actions, is_done):
            self._take_turn(turns)
            actions = self._unscaled(actions)
            rewards, is_done = np.zeros(len(actions), "float32"), is_done.copy()
            for i in np.flatnonzero(~is_done):
                seen, rewards[i], ended, cut, _ = self._simulators[i].step(
                    actions[i]
                )
                self._see(i, seen)
                is_done[i] = ended or cut
            if not np.isfinite(rewards).all():
                raise ValueError(
                    "Rewards must be finite numbers; mend what `step` of your "
                    f"environments returns. Received: rewards={rewards}"
                )
            return self._turn, self._observations.copy(), rewards, is_done

        turn, observation, reward, done = tf.numpy_function(
            run,
            [state["turn"], action, state["done"]],
            ["int64", "float32", "float32", "bool"],
        )
        time = state["time"] + 1
        done = tf.ensure_shape(done, time.shape) | (time >= self.horizon)
        reward = tf.ensure_shape(reward, time.shape)
        return (
            self._state(turn, time, done),
            self._seen(observation, time),
            reward,
            done,
        )

    def restart(self, tasks, state, observation, done, seed):
        def run(turns, is_done, seeds):
            self._take_turn(turns)
            return self._turn, self._begin(np.flatnonzero(is_done), seeds)

        seeds = _numbers(tf.shape(done), seed)
        turn, new_observation = tf.numpy_function(
            run, [state["turn"], done, seeds], ["int64", "float32"]
        )
        time = tf.where(done, tf.zeros_like(state["time"]), state["time"])
        state = self._state(turn, time, state["done"] & ~done)
        return state, self._seen(new_observation, time)

    def _begin(self, places, seeds):
        for i in places:
            seen, _ = self._simulators[i].reset(seed=int(seeds[i]))
            self._see(i, seen)
        return self._observations.copy()

    def _see(self, place, observation):
        row = self._spaces.flatten(self._space, observation)
        if not np.isfinite(row).all():
            raise ValueError(
                "Observations must be finite numbers; mend what your "
                f"environments return. Received: observation={observation}"
            )
        self._observations[place] = row

    def _unscaled(self, actions):
        if self._bounds is None:
            return actions.astype("int64") + self._first_action
        low, high = self._bounds
        shares = (np.clip(actions, -1, 1) + 1) / 2
        return (low + shares * (high - low)).astype(low.dtype)

    def _take_turn(self, turns):
        if (turns != self._turn).any():
            raise ValueError(
                "Simulators of Gymnasium have one state only. Go on from the "
                "last state, or use two `GymnasiumTasks`, and no replicas. "
                f"Received: turn={turns[0]}, not {self._turn}"
            )
        self._turn += 1

    def _state(self, turn, time, done):
        turns = tf.fill(tf.shape(time), turn)
        return {"turn": turns, "time": time, "done": done}

    def _seen(self, observation, time):
        return tf.ensure_shape(
            observation, [*time.shape, self.observation_size]
        )


def _numbers(shape, seed):
    return seeded_integers(shape, fold_seed(seed, 0)) % _SEEDS


def _is_bounded_vector(space, spaces):
    return (
        isinstance(space, spaces.Box)
        and len(space.shape) == 1
        and space.is_bounded("both")
    )


def _gymnasium():
    try:
        return importlib.import_module("gymnasium")
    except ImportError as error:
        raise ImportError(
            "`GymnasiumTasks` needs Gymnasium: "
            "`pip install kerasmeta[gymnasium]`."
        ) from error
