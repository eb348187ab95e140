"""Convolutional conditional neural processes on a line."""

import math

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.backbones import unet_1d
from kerasmeta.learners.neural_process_learner import NeuralProcessLearner
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class ConvolutionalNeuralProcess(NeuralProcessLearner):
    """ConvCNP: a convolutional network over a line through the points.

    Use it for time series, signals and other functions of one number that look
    alike wherever they are: moving support points and queries moves the
    predictions with them.
    The points of a task become functions on a grid, density and signal,

    `d(t) = sum over i of k(t - x_i)`, `s(t) = sum of k(t - x_i) y_i / d(t)`,
    `k(u) = exp(-u^2 / (2 l^2))`

    of which a U-Net makes others, `f`, from `d / (1 + d)` and `s`, that a query
    reads,

    `raw(query) = sum over grid points t of f(t) k'(query - t)`

    with `raw` the mean and what the scale is made of. `l` and that of `k'` are
    learned, and begin at two grid steps. A query farther away than `reach` from
    the middle of the support points is predicted with mean zero.

    In the authors' code a linear layer of density and signal and a sigmoid come
    before the network, and each channel has a length scale of its own. Here
    only the density is bounded, without which many more points than in training
    would be far out of what the network knows; and `s` keeps its scale. Their
    grid covers all queries; here it lies around the middle of the support
    points: so moving is exact, by any distance, and the state needs to know no
    query.

    Reference: Gordon, Bruinsma, Foong, Requeima, Dubois and Turner, 2020,
    "Convolutional Conditional Neural Processes", arXiv:1910.13556.

    Args:
        input_size: 1; the grid has no other dimension.
        target_size: Number of targets of an example, `K`.
        reach: How far from the middle of the support points a query may be, in
            the unit of `x`. The width of all of the domain is always enough.
        points_per_unit: Grid points in one unit of `x`. There should be
            several in the finest detail; the paper has 64 for the same domain
            as the default.
        width: Channels of each convolution.
        levels: How often the U-Net halves the grid. What is farther than about
            `6 * 2 ** levels` grid points from a query cannot be seen.
        minimum_scale: Positive number, below which no predicted standard
            deviation falls, in the unit of the targets. The authors' code has
            none.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If an argument is not a positive number, or `input_size` is
            not 1.

    Example:

    >>> learner = km.learners.ConvolutionalNeuralProcess(width=8, levels=2)
    >>> learner.grid_size
    132
    >>> state = learner.adapt(tf.constant([[0.0]]), tf.constant([[0.8]]))
    >>> learner.predict_query(state, tf.constant([[0.5], [2.0]])).shape
    TensorShape([2, 2])
    """

    def __init__(
        self,
        input_size=1,
        target_size=1,
        reach=4.0,
        points_per_unit=16,
        width=32,
        levels=4,
        minimum_scale=0.01,
        **kwargs,
    ):
        if input_size != 1:
            raise ValueError(
                "A `ConvolutionalNeuralProcess` is of functions of one number; "
                "use another process for more features. "
                f"Received: input_size={input_size}"
            )
        super().__init__(input_size, target_size, minimum_scale, **kwargs)
        self.reach = check_positive_number("reach", reach)
        self.points_per_unit = check_positive_number(
            "points_per_unit", points_per_unit
        )
        self.width = check_positive_int("width", width)
        self.levels = check_positive_int("levels", levels)
        multiple = 2**self.levels
        wanted = 2 * math.ceil(self.reach * self.points_per_unit) + 1
        self.grid_size = -(-wanted // multiple) * multiple
        self.network = unet_1d(
            (self.grid_size, 1 + target_size), 2 * target_size, width, levels
        )
        self.support_scale, self.query_scale = (
            self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(
                    math.log(2 / self.points_per_unit)
                ),
                name=f"log_{name}_length_scale",
            )
            for name in ("support", "query")
        )

    def encode(self, x, y, mask):
        center = _middle(x[..., 0], mask)
        weights = _kernel(self._grid(center), x[..., 0], self.support_scale)
        weights *= tf.cast(mask, weights.dtype)[:, None]  # (T, G, S)
        density = tf.reduce_sum(weights, axis=-1, keepdims=True)
        # As in the authors' code; far from all points the signal is zero.
        signal = tf.matmul(weights, y) / (density + 1e-8)
        # Bounded, as there may be many more points than in training.
        channels = tf.concat([density / (1 + density), signal], axis=-1)
        functions = tf.cast(self.network(channels), self.variable_dtype)
        return {"center": center, "functions": functions}

    def decode(self, state, query_x):
        grid = self._grid(state["center"])
        weights = _kernel(query_x[..., 0], grid, self.query_scale)  # (T, Q, G)
        return self.gaussian(tf.matmul(weights, state["functions"]))

    def _grid(self, center):
        """Return the grid around the center of each task, `[T, G]`."""
        steps = np.arange(self.grid_size) - (self.grid_size - 1) / 2
        offsets = tf.constant(steps / self.points_per_unit, center.dtype)
        return center[:, None] + offsets

    def get_config(self):
        return {
            **super().get_config(),
            "reach": self.reach,
            "points_per_unit": self.points_per_unit,
            "width": self.width,
            "levels": self.levels,
        }


def _kernel(to, of, log_length_scale):
    """Return the weights `[T, A, B]` of points `[T, B]` at others `[T, A]`."""
    distances = (to[:, :, None] - of[:, None]) * tf.exp(-log_length_scale)
    return tf.exp(-0.5 * tf.square(distances))


def _middle(x, mask):
    """Return the middle between the first and the last point, `[T]`."""
    lowest = tf.reduce_min(tf.where(mask, x, x.dtype.max), axis=1)
    highest = tf.reduce_max(tf.where(mask, x, x.dtype.min), axis=1)
    # Halved before they are added, which overflows where there are no points.
    middle = lowest / 2 + highest / 2
    return tf.where(tf.reduce_any(mask, axis=1), middle, tf.zeros_like(middle))
