"""Thompson sampling."""

import tensorflow as tf

from kerasmeta.ops.seeded_noise import fold_seed
from kerasmeta.rl.bandit_strategy import BanditStrategy


class ThompsonSampling(BanditStrategy):
    """Pull an arm as often as it is believed to be the best.

    Use it to compare with on bandits whose probabilities are uniform: its
    belief is the exact posterior, `Beta(1 + wins, 1 + losses)` for each
    arm. It draws a probability of each arm from its posterior, and pulls the
    arm with the largest.

    Reference: Thompson, 1933, "On the Likelihood that One Unknown Probability
    Exceeds Another in View of the Evidence of Two Samples", Biometrika 25.

    Example:

    >>> bandits = km.rl.BernoulliBandits(arms=2)
    >>> tasks = {"probabilities": tf.constant([[0.0, 1.0]])}
    >>> strategy = km.rl.ThompsonSampling()
    >>> arms, _ = strategy.play(bandits, tasks, pulls=40, seed=[0, 0])
    >>> arms[-5:, 0].numpy()
    array([1, 1, 1, 1, 1], dtype=int32)
    """

    def choose(self, wins, losses, seed):
        # A ratio of gamma variates has the beta distribution.
        won, lost = (
            tf.random.stateless_gamma(
                tf.shape(counts), fold_seed(seed, i), alpha=1 + counts
            )
            for i, counts in enumerate((wins, losses))
        )
        return tf.argmax(won / (won + lost), axis=-1, output_type="int32")
