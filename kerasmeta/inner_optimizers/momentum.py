"""Gradient descent with momentum in the inner loop."""

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
from kerasmeta.utils import check_fraction


@keras.saving.register_keras_serializable(package="kerasmeta")
class Momentum(InnerOptimizer):
    """Gradient descent with momentum, which the outer gradient goes through.

    Use it where a few steps of plain gradient descent are too short. As
    `keras.optimizers.SGD(momentum=)`, from a velocity of zero,

    `v <- momentum * v - learning_rate * gradient`, `w <- w + v`

    and with Nesterov's look-ahead, `w <- w + momentum * v - learning_rate *
    gradient`.

    Reference: Sutskever, Martens, Dahl and Hinton, 2013, "On the importance of
    initialization and momentum in deep learning", ICML.

    Args:
        learning_rate: Positive number, or schedule over inner steps.
        momentum: Number in `[0, 1)`.
        nesterov: Whether to look ahead.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, as for
            `keras.optimizers`, and `name`.

    Raises:
        ValueError: If a number is not in its range.

    Example:

    >>> optimizer = km.inner_optimizers.Momentum(0.1, momentum=0.5)
    >>> weights = [tf.constant([1.0])]
    >>> state = optimizer.initial_state(weights)
    >>> for step in range(2):
    ...     weights, state = optimizer.step(
    ...         weights, [tf.constant([1.0])], state, step
    ...     )
    >>> round(float(weights[0][0]), 4)  # 1 - 0.1, then - 0.15
    0.75
    """

    def __init__(
        self, learning_rate=0.01, momentum=0.9, nesterov=False, **kwargs
    ):
        super().__init__(learning_rate, **kwargs)
        self.momentum = check_fraction("momentum", momentum)
        self.nesterov = bool(nesterov)

    def initial_state(self, weights):
        return [tf.zeros_like(w) for w in weights]

    def step(self, weights, gradients, state, step, loss=None):
        rate = self.rate_at(step)
        downhill = [-tf.cast(rate, g.dtype) * g for g in gradients]
        velocities = [self.momentum * v + d for v, d in zip(state, downhill)]
        moves = velocities
        if self.nesterov:
            moves = [
                self.momentum * v + d for v, d in zip(velocities, downhill)
            ]
        return [w + move for w, move in zip(weights, moves)], velocities

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "nesterov": self.nesterov,
        }
