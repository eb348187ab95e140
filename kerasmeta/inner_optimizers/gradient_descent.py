"""Plain gradient descent in the inner loop."""

import keras

from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class GradientDescent(InnerOptimizer):
    """Gradient descent with one constant rate, the inner optimizer of MAML.

    `w <- w - learning_rate * gradient`

    Reference: Finn, Abbeel and Levine, 2017, "Model-Agnostic Meta-Learning for
    Fast Adaptation of Deep Networks", arXiv:1703.03400.

    Args:
        learning_rate: Positive number.

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

    def __init__(self, learning_rate=0.01, **kwargs):
        super().__init__(**kwargs)
        self.learning_rate = check_positive_number(
            "learning_rate", learning_rate
        )

    def step(self, weights, gradients, state, step):
        moved = [w - self.learning_rate * g for w, g in zip(weights, gradients)]
        return moved, state

    def get_config(self):
        return {**super().get_config(), "learning_rate": self.learning_rate}
