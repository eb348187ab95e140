"""Bandits whose arms pay or do not."""

import keras
import tensorflow as tf

from kerasmeta.ops.seeded_noise import seeded_uniforms
from kerasmeta.rl.environment import Environment
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class BernoulliBandits(Environment):
    """Bandits: each arm pays one with a probability of its own, else nothing.

    Use them to see whether a learner explores and then exploits, where what is
    achievable is known. A pull of an arm is an episode; the probabilities are
    uniform in 0..1, and nothing is observed but the reward.

    Reference: Duan, Schulman, Chen, Bartlett, Sutskever and Abbeel, 2016,
    "RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning",
    arXiv:1611.02779, section 3.1.

    Args:
        arms: Number of arms, at least 2.

    Raises:
        ValueError: If `arms` is not such an integer.

    Example:

    >>> bandits = km.rl.BernoulliBandits(arms=5)
    >>> tasks = bandits.sample_tasks(3, seed=[0, 0])
    >>> tasks["probabilities"].shape
    TensorShape([3, 5])
    >>> state, _ = bandits.reset(tasks, seed=[0, 1])
    >>> _, _, reward, _ = bandits.step(tasks, state, [0, 0, 4], seed=[0, 2])
    >>> reward.shape
    TensorShape([3])
    """

    def __init__(self, arms=5):
        self.arms = check_positive_int("arms", arms, minimum=2)
        super().__init__(
            observation_size=1, action_size=arms, horizon=1, is_discrete=True
        )

    def sample_tasks(self, num_tasks, seed):
        return {"probabilities": seeded_uniforms([num_tasks, self.arms], seed)}

    def reset(self, tasks, seed):
        return {}, tf.zeros_like(tasks["probabilities"][:, :1])

    def step(self, tasks, state, action, seed):
        chances = tf.gather(tasks["probabilities"], action, batch_dims=1)
        is_paid = seeded_uniforms(tf.shape(chances), seed) < chances
        reward = tf.cast(is_paid, "float32")  # (N,)
        nothing = tf.zeros_like(reward)[:, None]
        return state, nothing, reward, tf.ones_like(is_paid)

    def get_config(self):
        return {"arms": self.arms}
