"""Pulling arms at random."""

import tensorflow as tf

from kerasmeta.ops.seeded_noise import seeded_uniforms
from kerasmeta.rl.bandit_strategy import BanditStrategy


class RandomArms(BanditStrategy):
    """Pull an arm at random, each as likely as any other.

    Use it to see what is earned without learning anything.

    Example:

    >>> bandits = km.rl.BernoulliBandits(arms=5)
    >>> tasks = bandits.sample_tasks(3, seed=[0, 0])
    >>> arms, _ = km.rl.RandomArms().play(bandits, tasks, 10, seed=[0, 0])
    >>> arms.shape
    TensorShape([10, 3])
    """

    def choose(self, wins, losses, seed):
        uniforms = seeded_uniforms(tf.shape(wins), seed)
        return tf.argmax(uniforms, axis=-1, output_type="int32")
