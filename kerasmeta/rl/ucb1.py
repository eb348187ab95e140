"""Upper confidence bounds."""

import tensorflow as tf

from kerasmeta.rl.bandit_strategy import BanditStrategy
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


class UCB1(BanditStrategy):
    """Pull the arm whose mean could be the largest.

    Use it as a strategy that knows nothing of how bandits are drawn. Each arm
    is pulled once; then the one with the largest

    `mean + exploration * sqrt(2 ln t / n)`

    after `t` pulls in all, `n` of them of this arm. Where pulls are few, those
    first ones cost much: a `prior` takes their place.

    Reference: Auer, Cesa-Bianchi and Fischer, 2002, "Finite-time Analysis of
    the Multiarmed Bandit Problem", Machine Learning 47. With a prior of 1 and
    tuned: Duan, Schulman, Chen, Bartlett, Sutskever and Abbeel, 2016, "RL^2:
    Fast Reinforcement Learning via Slow Reinforcement Learning",
    arXiv:1611.02779, section 3.1.

    Args:
        exploration: Positive number; 1 is the one of the proof. For few pulls
            less is better, and should be tuned on other bandits.
        prior: Non-negative integer: how many wins, and as many losses, each arm
            is taken to have had before. 1 is right for probabilities that are
            uniform.

    Raises:
        ValueError: If an argument is not such a number.

    Example:

    >>> bandits = km.rl.BernoulliBandits(arms=3)
    >>> tasks = {"probabilities": tf.constant([[0.0, 0.0, 1.0]])}
    >>> arms, _ = km.rl.UCB1().play(bandits, tasks, pulls=5, seed=[0, 0])
    >>> arms[:, 0].numpy()
    array([0, 1, 2, 2, 2], dtype=int32)
    """

    def __init__(self, exploration=1.0, prior=0):
        self.exploration = check_positive_number("exploration", exploration)
        self.prior = check_positive_int("prior", prior, minimum=0)

    def choose(self, wins, losses, seed):
        wins, losses = wins + self.prior, losses + self.prior
        pulls = wins + losses
        total = tf.reduce_sum(pulls, axis=-1, keepdims=True)
        is_known = pulls > 0
        counted = tf.where(is_known, pulls, 1.0)
        width = tf.sqrt(2 * tf.math.log(tf.maximum(total, 1)) / counted)
        bound = wins / counted + self.exploration * width
        bound = tf.where(is_known, bound, float("inf"))
        return tf.argmax(bound, axis=-1, output_type="int32")
