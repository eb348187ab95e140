"""Plain gradient descent in the inner loop."""

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer


@keras.saving.register_keras_serializable(package="kerasmeta")
class GradientDescent(InnerOptimizer):
    """Gradient descent with one constant rate, the inner optimizer of MAML.

    `w <- w - learning_rate * gradient`

    Reference: Finn, Abbeel and Levine, 2017, "Model-Agnostic Meta-Learning for
    Fast Adaptation of Deep Networks", arXiv:1703.03400.

    Args:
        learning_rate: Positive number, or schedule over inner steps.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, as for
            `keras.optimizers`, and `name`.

    Raises:
        ValueError: If the rate is not a positive finite number.

    Example:

    >>> optimizer = km.inner_optimizers.GradientDescent(0.5)
    >>> weights, state = optimizer.step(
    ...     [tf.constant([1.0])], [tf.constant([0.2])], [], 0
    ... )
    >>> weights[0].numpy()
    array([0.9], dtype=float32)
    """

    def step(self, weights, gradients, state, step, loss=None):
        rate = self.rate_at(step)
        moved = [
            w - tf.cast(rate, w.dtype) * g for w, g in zip(weights, gradients)
        ]
        return moved, state
