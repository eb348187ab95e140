"""The base of neural processes."""

import abc

import tensorflow as tf

from kerasmeta.learners.meta_learner import MetaLearner
from kerasmeta.ops.zero_padding import zero_padding
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


class NeuralProcessLearner(MetaLearner, abc.ABC):
    """Learns to predict distributions of functions from a few of their points.

    A task is a function, its support set some points `(x, y)` of it, and a
    prediction is a normal distribution for each target of a query: with `K`
    targets, `[T, Q, 2 * K]`, the means and then the standard deviations.
    `km.ops.split_gaussian` takes them apart; `km.losses` and `km.metrics` have
    what to compile with.

    A subclass writes `encode` and `decode`, for a whole meta-batch, with a
    leading task axis `T`.

    Args:
        input_size: Number of features of an example, `D`.
        target_size: Number of targets of an example, `K`.
        minimum_scale: Positive number, below which no predicted standard
            deviation falls, in the unit of the targets.
    """

    def __init__(
        self, input_size=1, target_size=1, minimum_scale=0.01, **kwargs
    ):
        super().__init__(**kwargs)
        self.input_size = check_positive_int("input_size", input_size)
        self.target_size = check_positive_int("target_size", target_size)
        self.minimum_scale = check_positive_number(
            "minimum_scale", minimum_scale
        )
        self.built = True

    @abc.abstractmethod
    def encode(self, x, y, mask):
        """Learn functions from points of them.

        Args:
            x: `[T, S, D]`.
            y: `[T, S, K]`.
            mask: Bool `[T, S]`, true for the points that count; maybe none.

        Returns:
            The state, a nest of tensors with a leading task axis.
        """

    @abc.abstractmethod
    def decode(self, state, query_x):
        """Predict queries.

        Args:
            state: What `encode` returned.
            query_x: `[T, Q, D]`.

        Returns:
            `[T, Q, 2 * K]`, means and then standard deviations; `gaussian`
            makes them of the outputs of a network.
        """

    def gaussian(self, outputs):
        """Return means and scales for outputs `[..., 2 * K]` of a network.

        The scale is `minimum_scale + softplus(output)`.
        """
        mean, raw = tf.split(tf.cast(outputs, self.variable_dtype), 2, axis=-1)
        scale = self.minimum_scale + tf.math.softplus(raw)
        return tf.concat([mean, scale], axis=-1)

    def adapt(self, support_x, support_y, support_mask=None, training=False):
        mask = None if support_mask is None else support_mask[None]
        points = as_points(self, support_x[None], support_y[None], mask)
        state = self.encode(*points)
        return tf.nest.map_structure(lambda t: t[0], state)

    def predict_query(self, state, query_x, training=False):
        states = tf.nest.map_structure(lambda t: t[None], state)
        query_x = tf.cast(query_x, self.variable_dtype)
        return self.decode(states, query_x[None])[0]

    def solve(self, episodes, training=False):
        state = self.encode(*support_points(self, episodes))
        query_x = tf.cast(episodes["query_x"], self.variable_dtype)
        return self.decode(state, query_x)

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        _check_size("support_x", support_x, self.input_size, "input_size")
        _check_size("support_y", support_y, self.target_size, "target_size")
        if not support_y.dtype.is_floating:
            raise ValueError(
                "Targets must be floats; cast integer targets, or use a "
                "learner for classes. "
                f"Received: support_y of dtype {support_y.dtype.name}"
            )

    def get_config(self):
        return {
            **super().get_config(),
            "input_size": self.input_size,
            "target_size": self.target_size,
            "minimum_scale": self.minimum_scale,
        }


def support_points(learner, episodes):
    """Return the support points of a meta-batch as `encode` takes them."""
    return as_points(
        learner,
        episodes["support_x"],
        episodes["support_y"],
        episodes.get("support_mask"),
    )


def as_points(learner, x, y, mask=None):
    """Return `x`, `y` and mask as `encode` takes them.

    Args:
        learner: `NeuralProcessLearner`.
        x: `[T, S, D]`.
        y: `[T, S, K]`, or `[T, S]` where `K` is 1.
        mask: `[T, S]`, or `None` if all points count.
    """
    x = tf.cast(x, learner.variable_dtype)
    y = tf.cast(y, learner.variable_dtype)
    if mask is None:
        mask = tf.ones(tf.shape(x)[:2], "bool")
    # `fit` may have forgotten the number of axes.
    y = tf.reshape(y, tf.concat([tf.shape(x)[:2], [learner.target_size]], 0))
    mask = tf.cast(mask, "bool")
    return *zero_padding((x, y), mask), mask


def _check_size(name, values, size, argument):
    shape = None if tf.nest.is_nested(values) else tuple(values.shape)
    is_scalar = name == "support_y" and size == 1 and shape and len(shape) == 1
    if not is_scalar and (not shape or len(shape) != 2 or shape[1] != size):
        raise ValueError(
            f"A point has {size} numbers in `{name}`, so that its shape is "
            f"[n, {size}] for a task. Flatten or encode the examples, or "
            f"build the learner with another `{argument}`. Received: {name} "
            f"of shape {shape or 'a nest'}"
        )
