"""The family of sine waves on which MAML was introduced."""

import math

import tensorflow as tf

from kerasmeta.episodes import episodes_from_function
from kerasmeta.utils import check_positive_int


class Sinusoid:
    """Sine waves of random amplitude and phase, to learn from a few points.

    Use it to try a meta-learner for regression, or to see with your own eyes
    that it adapts: a wave is quickly drawn, before and after. Per task

        y = amplitude * sin(x - phase)

    with the amplitude uniform in 0.1..5 and the phase in 0..pi; every `x` is
    uniform in -5..5, support and query drawn independently.

    Reference:
        C. Finn, P. Abbeel and S. Levine, "Model-Agnostic Meta-Learning for
        Fast Adaptation of Deep Networks", 2017, arXiv:1703.03400,
        section 5.1.

    Args:
        shots: Number of support points of a task.
        queries: Number of query points of a task.

    Raises:
        ValueError: If a number is not a positive integer.

    Example:

    >>> sinusoid = km.tasks.Sinusoid(shots=10, queries=20)
    >>> x, query_y = next(iter(sinusoid.episodes(batch_size=25)))
    >>> x["support_x"].shape, query_y.shape
    (TensorShape([25, 10, 1]), TensorShape([25, 20, 1]))
    """

    def __init__(self, shots=10, queries=10):
        self.shots = check_positive_int("shots", shots)
        self.queries = check_positive_int("queries", queries)

    def task(self, seed):
        """Return one episode, a pure function of the seed.

        Args:
            seed: int64 tensor `[seed, index]`.

        Returns:
            `(x, query_y)`: the dictionary `x` has float32 `"support_x"` and
            `"support_y"` of shape `(shots, 1)` and `"query_x"` of shape
            `(queries, 1)`, the shape of `query_y`.

        Example:

        >>> x, query_y = km.tasks.Sinusoid(shots=5).task([0, 3])
        >>> x["support_x"].shape, query_y.shape
        (TensorShape([5, 1]), TensorShape([10, 1]))
        """
        seeds = tf.random.experimental.stateless_split(seed, num=4)
        uniform = tf.random.stateless_uniform
        amplitude = uniform([], seeds[0], 0.1, 5.0)
        phase = uniform([], seeds[1], 0.0, math.pi)
        support_x = uniform([self.shots, 1], seeds[2], -5.0, 5.0)
        query_x = uniform([self.queries, 1], seeds[3], -5.0, 5.0)
        support_y = amplitude * tf.sin(support_x - phase)
        query_y = amplitude * tf.sin(query_x - phase)
        support = {"support_x": support_x, "support_y": support_y}
        return {**support, "query_x": query_x}, query_y

    def episodes(self, batch_size=4, seed=0, num_episodes=None):
        """Return a dataset of meta-batches of episodes.

        Args:
            batch_size: Number of episodes in a meta-batch.
            seed: Non-negative integer. Another seed gives other waves.
            num_episodes: Number of episodes, or `None` for an endless
                dataset.

        Returns:
            A `tf.data.Dataset` of what `task` returns, with a leading task
            axis.

        Raises:
            ValueError: If an argument is not what it should be.
        """
        return episodes_from_function(self.task, batch_size, seed, num_episodes)
