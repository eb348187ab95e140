"""RMSprop in the inner loop."""

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
from kerasmeta.utils import check_fraction
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class RMSprop(InnerOptimizer):
    """RMSprop, which the outer gradient goes through.

    Use it where the gradients of the weights differ much in size, and Adam's
    momentum is unwanted. As `keras.optimizers.RMSprop`, from zero,

    `v <- rho * v + (1 - rho) * gradient^2`
    `w <- w - learning_rate * gradient / sqrt(v + epsilon)`

    Reference: Tieleman and Hinton, 2012, "Lecture 6.5: rmsprop", Coursera,
    Neural Networks for Machine Learning.

    Args:
        learning_rate: Positive number, or schedule over inner steps.
        rho: Number in `[0, 1)`.
        epsilon: Positive number.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, as for
            `keras.optimizers`, and `name`.

    Raises:
        ValueError: If a number is not in its range.

    Example:

    >>> optimizer = km.inner_optimizers.RMSprop(0.1, rho=0.75)
    >>> weights = [tf.constant([1.0])]
    >>> weights, state = optimizer.step(
    ...     weights, [tf.constant([5.0])], optimizer.initial_state(weights), 0
    ... )
    >>> round(float(weights[0][0]), 4)  # 1 - 0.1 * 5 / sqrt(0.25 * 25)
    0.8
    """

    def __init__(self, learning_rate=0.001, rho=0.9, epsilon=1e-7, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.rho = check_fraction("rho", rho)
        self.epsilon = check_positive_number("epsilon", epsilon)

    def initial_state(self, weights):
        return [tf.zeros_like(w) for w in weights]

    def step(self, weights, gradients, state, step, loss=None):
        squares = [
            self.rho * v + (1 - self.rho) * tf.square(g)
            for v, g in zip(state, gradients)
        ]
        rate = self.rate_at(step)
        moved = [
            w - tf.cast(rate, w.dtype) * g / tf.sqrt(v + self.epsilon)
            for w, g, v in zip(weights, gradients, squares)
        ]
        return moved, squares

    def get_config(self):
        return {
            **super().get_config(),
            "rho": self.rho,
            "epsilon": self.epsilon,
        }
