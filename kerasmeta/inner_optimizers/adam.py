"""Adam in the inner loop."""

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
from kerasmeta.ops import safe_sqrt
from kerasmeta.utils import check_fraction
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class Adam(InnerOptimizer):
    """Adam, which the outer gradient goes through.

    Use it where the gradients of the weights differ much in size. As
    `keras.optimizers.Adam`, from moments of zero and with `t` from 1,

    `m <- beta_1 * m + (1 - beta_1) * gradient`
    `v <- beta_2 * v + (1 - beta_2) * gradient^2`
    `w <- w - rate_t * m / (sqrt(v) + epsilon)`, where
    `rate_t = learning_rate * sqrt(1 - beta_2^t) / (1 - beta_1^t)`

    The first step hardly depends on the size of the gradient, so with one
    inner step most of the second-order gradient is zero.

    Reference: Kingma and Ba, 2015, "Adam: A Method for Stochastic
    Optimization", arXiv:1412.6980.

    Args:
        learning_rate: Positive number, or schedule over inner steps.
        beta_1: Number in `[0, 1)`.
        beta_2: Number in `[0, 1)`.
        epsilon: Positive number.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, as for
            `keras.optimizers`, and `name`.

    Raises:
        ValueError: If a number is not in its range.

    Example:

    >>> optimizer = km.inner_optimizers.Adam(0.1)
    >>> weights = [tf.constant([1.0, 1.0])]
    >>> weights, state = optimizer.step(
    ...     weights, [tf.constant([5.0, -0.1])],
    ...     optimizer.initial_state(weights), 0,
    ... )
    >>> weights[0].numpy().round(4)
    array([0.9, 1.1], dtype=float32)
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        **kwargs,
    ):
        super().__init__(learning_rate, **kwargs)
        self.beta_1 = check_fraction("beta_1", beta_1)
        self.beta_2 = check_fraction("beta_2", beta_2)
        self.epsilon = check_positive_number("epsilon", epsilon)

    def initial_state(self, weights):
        return {
            "means": [tf.zeros_like(w) for w in weights],
            "squares": [tf.zeros_like(w) for w in weights],
        }

    def step(self, weights, gradients, state, step, loss=None):
        means = [
            m + (g - m) * (1 - self.beta_1)
            for m, g in zip(state["means"], gradients)
        ]
        squares = [
            v + (tf.square(g) - v) * (1 - self.beta_2)
            for v, g in zip(state["squares"], gradients)
        ]
        moved = [
            w - self._rate(step, w.dtype) * m / (safe_sqrt(v) + self.epsilon)
            for w, m, v in zip(weights, means, squares)
        ]
        return moved, {"means": means, "squares": squares}

    def _rate(self, step, dtype):
        t = tf.cast(step, dtype) + 1
        one, two = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        rate = tf.cast(self.rate_at(step), dtype)
        return rate * tf.sqrt(1 - two**t) / (1 - one**t)

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
