"""Upper confidence bounds."""

import tensorflow as tf

from kerasmeta.rl.bandit_strategy import BanditStrategy
from kerasmeta.utils import check_positive_number


class UCB1(BanditStrategy):
    """Pull the arm whose mean could be the largest.

    Use it as a strategy that knows nothing of how bandits are drawn. Each arm
    is pulled once; then the one with the largest

    `mean + exploration * sqrt(2 ln t / n)`

    after `t` pulls in all, `n` of them of this arm.

    Reference: Auer, Cesa-Bianchi and Fischer, 2002, "Finite-time Analysis of
    the Multiarmed Bandit Problem", Machine Learning 47.

    Args:
        exploration: Positive number; 1 is the one of the proof. For few pulls
            less is better, and should be tuned on other bandits.

    Raises:
        ValueError: If `exploration` is not such a number.

    Example:

    >>> bandits = km.rl.BernoulliBandits(arms=3)
    >>> tasks = {"probabilities": tf.constant([[0.0, 0.0, 1.0]])}
    >>> arms, _ = km.rl.UCB1().play(bandits, tasks, pulls=5, seed=[0, 0])
    >>> arms[:, 0].numpy()
    array([0, 1, 2, 2, 2], dtype=int32)
    """

    def __init__(self, exploration=1.0):
        self.exploration = check_positive_number("exploration", exploration)

    def choose(self, wins, losses, seed):
        pulls = wins + losses
        total = tf.reduce_sum(pulls, axis=-1, keepdims=True)
        counted = tf.maximum(pulls, 1)
        width = tf.sqrt(2 * tf.math.log(tf.maximum(total, 1)) / counted)
        bound = wins / counted + self.exploration * width
        bound = tf.where(pulls > 0, bound, float("inf"))
        return tf.argmax(bound, axis=-1, output_type="int32")
