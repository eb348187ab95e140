"""Pulling the arm that is believed to be the best."""

import tensorflow as tf

from kerasmeta.rl.bandit_strategy import BanditStrategy


class Greedy(BanditStrategy):
    """Pull the arm that is believed to pay most, and never explore.

    Use it as the strategy to beat where pulls are few and probabilities are
    uniform: with 5 arms and 10 pulls it earns 0.0025 less than what is optimal,
    see `optimal_return`. It pulls the arm with the largest mean of the
    posterior,

    `(1 + wins) / (2 + wins + losses)`

    and of equals the one that was pulled least, of which most can be learned.
    (That matters: always to pull the first of them costs another 0.09.) Where
    pulls are many it falls behind, as it can stay with a bad arm for ever.

    Reference: Duan, Schulman, Chen, Bartlett, Sutskever and Abbeel, 2016,
    "RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning",
    arXiv:1611.02779, section 3.1.

    Example:

    >>> bandits = km.rl.BernoulliBandits(arms=3)
    >>> tasks = {"probabilities": tf.constant([[0.0, 1.0, 1.0]])}
    >>> arms, _ = km.rl.Greedy().play(bandits, tasks, pulls=4, seed=[0, 0])
    >>> arms[:, 0].numpy()
    array([0, 1, 1, 1], dtype=int32)
    """

    def choose(self, wins, losses, seed):
        pulls = wins + losses
        means = (1 + wins) / (2 + pulls)
        is_best = means == tf.reduce_max(means, axis=-1, keepdims=True)
        rank = tf.where(is_best, -pulls, -float("inf"))
        return tf.argmax(rank, axis=-1, output_type="int32")
