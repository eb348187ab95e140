"""Random Markov decision processes with few states."""

import keras
import tensorflow as tf

from kerasmeta.ops.seeded_noise import fold_seed
from kerasmeta.ops.seeded_noise import seeded_normals
from kerasmeta.ops.seeded_noise import seeded_uniforms
from kerasmeta.rl.environment import Environment
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class TabularMDPs(Environment):
    """Random Markov decision processes with few states and actions.

    Use them where a learner has to explore states as well as actions. For each
    state and action, a task has the probabilities of the next state, uniform
    on the simplex (Dirichlet with parameter 1), and a mean reward from a normal
    distribution of mean 1 and deviation 1; a reward is normal around its mean
    with deviation 1. Episodes begin in the first state. The state is observed
    one-hot.

    Reference: Duan, Schulman, Chen, Bartlett, Sutskever and Abbeel, 2016,
    "RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning",
    arXiv:1611.02779, section 3.2.

    Args:
        states: Number of states.
        actions: Number of actions.
        horizon: Number of steps of an episode.

    Raises:
        ValueError: If a number is not a positive integer.

    Example:

    >>> mdps = km.rl.TabularMDPs(states=10, actions=5)
    >>> tasks = mdps.sample_tasks(3, seed=[0, 0])
    >>> tasks["transitions"].shape, tasks["rewards"].shape
    (TensorShape([3, 10, 5, 10]), TensorShape([3, 10, 5]))
    """

    def __init__(self, states=10, actions=5, horizon=10):
        super().__init__(
            check_positive_int("states", states),
            check_positive_int("actions", actions),
            horizon,
            is_discrete=True,
        )

    def sample_tasks(self, num_tasks, seed):
        states, actions = self.observation_size, self.action_size
        uniforms = seeded_uniforms(
            [num_tasks, states, actions, states], fold_seed(seed, 0)
        )
        # Exponential numbers, divided by their sum, are uniform on the simplex.
        weights = -tf.math.log1p(-uniforms)
        rewards = seeded_normals(
            [num_tasks, states, actions], fold_seed(seed, 1)
        )
        return {
            "transitions": weights / tf.reduce_sum(weights, -1, keepdims=True),
            "rewards": 1 + rewards,
        }

    def reset(self, tasks, seed):
        first = tf.zeros(tf.shape(tasks["rewards"])[:1], "int32")
        return {"place": first, "time": first}, self._observe(first)

    def step(self, tasks, state, action, seed):
        place = state["place"]
        chosen = tf.stack([place, tf.cast(action, "int32")], axis=-1)
        means = tf.gather_nd(tasks["rewards"], chosen, batch_dims=1)
        chances = tf.gather_nd(tasks["transitions"], chosen, batch_dims=1)
        noise = seeded_normals(tf.shape(means), fold_seed(seed, 0))
        level = seeded_uniforms(tf.shape(means), fold_seed(seed, 1))
        is_before = tf.cumsum(chances, axis=-1) <= level[:, None]
        # Rounding can leave the last sum below one.
        place = tf.minimum(
            tf.reduce_sum(tf.cast(is_before, "int32"), -1),
            self.observation_size - 1,
        )
        time = state["time"] + 1
        state = {"place": place, "time": time}
        done = time >= self.horizon
        return state, self._observe(place), means + noise, done

    def _observe(self, place):
        return tf.one_hot(place, self.observation_size)

    def get_config(self):
        return {
            "states": self.observation_size,
            "actions": self.action_size,
            "horizon": self.horizon,
        }
