"""Random curves of a Gaussian process, on which neural processes are judged."""

import math

import tensorflow as tf

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_function
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number

_KERNELS = ("rbf", "matern52", "periodic")


class GaussianProcessCurves:
    """Curves drawn from a Gaussian process, of some points of which one learns.

    Use it to compare a learner with the best there is: the process itself, with
    the same kernel, is exact. With the distance `d` of two points, curves have
    mean 0, variance 1 and the covariance

        "rbf"       exp(-d^2 / (2 l^2))
        "matern52"  (1 + u + u^2 / 3) exp(-u), u = sqrt(5) d / l
        "periodic"  exp(-2 sin^2(pi d / period) / l^2)

    and their points noise. Every `x` is uniform in -2..2.

    Reference:
        J. Gordon et al., "Convolutional Conditional Neural Processes", 2020,
        arXiv:1910.13556, section 5.1.

    Args:
        kernel: `"rbf"`, `"matern52"` or `"periodic"`.
        shots: Number of support points of a task, or a pair `(low, high)` from
            which each task draws its own; then they are padded, with a mask.
        queries: Number of query points of a task.
        length_scale: `l`, positive, in the unit of `x`; of the periodic kernel
            in that of `sin`.
        period: Positive number, the period of the periodic kernel.
        noise: Positive number, the standard deviation of the noise.

    Raises:
        ValueError: If an argument is not what it should be.

    Example:

    >>> curves = km.tasks.GaussianProcessCurves("rbf", shots=(3, 20))
    >>> x, query_y = next(iter(curves.episodes(batch_size=16)))
    >>> x["support_x"].shape, x["support_mask"].shape, query_y.shape
    (TensorShape([16, 20, 1]), TensorShape([16, 20]), TensorShape([16, 30, 1]))
    """

    def __init__(
        self,
        kernel="rbf",
        shots=(3, 30),
        queries=30,
        length_scale=0.5,
        period=1.0,
        noise=0.05,
    ):
        self.kernel = check_choice("kernel", kernel, _KERNELS)
        queries = check_positive_int("queries", queries)
        self.spec = EpisodeSpec(shots=shots, queries=queries)
        self.length_scale = check_positive_number("length_scale", length_scale)
        self.period = check_positive_number("period", period)
        self.noise = check_positive_number("noise", noise)

    def covariance(self, x, other_x):
        """Return the covariance of curves, without noise.

        Args:
            x: `[n, 1]`.
            other_x: `[m, 1]`.

        Returns:
            `[n, m]`.
        """
        distances = tf.abs(x - tf.transpose(other_x))
        if self.kernel == "periodic":
            sine = tf.sin(math.pi * distances / self.period)
            return tf.exp(-2 * tf.square(sine / self.length_scale))
        scaled = distances / self.length_scale
        if self.kernel == "rbf":
            return tf.exp(-0.5 * tf.square(scaled))
        scaled *= math.sqrt(5)
        return (1 + scaled + tf.square(scaled) / 3) * tf.exp(-scaled)

    def task(self, seed):
        """Return one episode, a pure function of the seed.

        Args:
            seed: int64 tensor `[seed, index]`.

        Returns:
            `(x, query_y)`: the dictionary `x` has float32 `"support_x"` and
            `"support_y"` of shape `(shots, 1)`, `"query_x"` of shape
            `(queries, 1)`, the shape of `query_y`, and a `"support_mask"`
            where `shots` is a pair.
        """
        seeds = tf.random.experimental.stateless_split(seed, num=3)
        shots, size = self.spec.support_size, self.spec.query_size
        count = [shots + size, 1]
        x = tf.random.stateless_uniform(count, seeds[0], -2.0, 2.0)
        # The covariance of near points is nearly singular in float32.
        exact = tf.cast(x, "float64")
        covariance = self.covariance(exact, exact)
        covariance += self.noise**2 * tf.eye(shots + size, dtype="float64")
        normals = tf.random.stateless_normal(count, seeds[1], dtype="float64")
        y = tf.cast(tf.linalg.cholesky(covariance) @ normals, "float32")
        episode = {
            "support_x": x[:shots],
            "support_y": y[:shots],
            "query_x": x[shots:],
        }
        if self.spec.varies:
            low, high = self.spec.shots
            real = tf.random.stateless_uniform(
                [], seeds[2], low, high + 1, "int32"
            )
            episode["support_mask"] = tf.range(shots) < real
        return episode, y[shots:]

    def episodes(self, batch_size=4, seed=0, num_episodes=None):
        """Return a dataset of meta-batches of episodes.

        Args:
            batch_size: Number of episodes in a meta-batch.
            seed: Non-negative integer. Another seed gives other curves.
            num_episodes: Number of episodes, or `None` for an endless
                dataset.

        Returns:
            A `tf.data.Dataset` of what `task` returns, with a leading task
            axis.

        Raises:
            ValueError: If an argument is not what it should be.
        """
        return episodes_from_function(self.task, batch_size, seed, num_episodes)
