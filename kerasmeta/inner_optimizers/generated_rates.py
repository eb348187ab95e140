"""Rates and weight decays that a small network generates."""

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
from kerasmeta.utils import check_fraction
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class GeneratedRates(InnerOptimizer):
    """Gradient descent with rates and decays made for the task and the step.

    Use it where tasks differ so much that no fixed rates suit them all. A
    network with one hidden layer sees the mean of each of the `N` weight
    tensors and of each of their gradients, `2N` numbers, and returns a
    multiplier `a` for the rate and `b` for the decay of each tensor. With
    learned `rate` and `decay` for each tensor and inner step,

    `w <- beta * w - alpha * gradient`, where
    `alpha = rate[step] * a` and `beta = 1 - decay[step] * b`

    These are ALFA's generated hyperparameters and its post-multipliers, with
    the decay written as in the authors' code, so that small numbers mean
    little decay. Steps after the last one in training use its `rate` and
    `decay`.

    Two things are not the authors'. All multipliers begin as one, so that it
    begins as gradient descent with weight decay. And the outer gradient goes
    through the means of the gradients, too, as `first_order=False` says; to
    the authors' network they are constants.

    Reference: Baik, Choi, Choi, Kim and Lee, 2020, "Meta-Learning with
    Adaptive Hyperparameters", arXiv:2011.00209.

    Args:
        learning_rate: Positive number, what each `rate` is at the beginning.
        weight_decay: Number in `[0, 1)`. Each `decay` is `learning_rate *
            weight_decay` at the beginning.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, as for
            `keras.optimizers`, and `name`.

    Raises:
        ValueError: If a number is not in its range.

    Example:

    >>> optimizer = km.inner_optimizers.GeneratedRates(0.5, weight_decay=0.0)
    >>> optimizer.build_for([tf.zeros([3, 2]), tf.zeros([2])], steps=5)
    >>> optimizer.rates.numpy().shape, optimizer.generator.output_shape
    ((5, 2), (None, 4))
    >>> weights, state = optimizer.step(
    ...     [tf.ones([3, 2]), tf.ones([2])], [tf.ones([3, 2]), tf.ones([2])],
    ...     [], 0,
    ... )
    >>> weights[1].numpy()
    array([0.5, 0.5], dtype=float32)
    """

    learns_rates = True

    def __init__(self, learning_rate=0.01, weight_decay=0.0005, **kwargs):
        # Rates of steps are learned, which leaves nothing for a schedule.
        check_positive_number("learning_rate", learning_rate)
        super().__init__(learning_rate, **kwargs)
        self.weight_decay = check_fraction("weight_decay", weight_decay)

    def build_for(self, weights, steps=1):
        super().build_for(weights, steps)
        shape = steps, len(weights)
        dtype = weights[0].dtype.name
        self.rates = self._add_constant(
            "rates", self.learning_rate, shape, dtype
        )
        self.decays = self._add_constant(
            "decays", self.learning_rate * self.weight_decay, shape, dtype
        )
        self.generator = _make_generator(2 * len(weights), dtype)

    def _add_constant(self, name, value, shape, dtype):
        return self.add_weight(
            shape=shape,
            initializer=keras.initializers.Constant(value),
            dtype=dtype,
            name=name,
        )

    def step(self, weights, gradients, state, step, loss=None):
        alphas, decays = self._generate(weights, gradients, step)
        moved = [
            (1 - decay) * w - alpha * g
            for w, g, alpha, decay in zip(weights, gradients, alphas, decays)
        ]
        return moved, state

    def _generate(self, weights, gradients, step):
        """Return lists of `alpha` and `1 - beta`, a scalar for each tensor."""
        means = tf.stack([tf.reduce_mean(t) for t in [*weights, *gradients]])
        generated = tf.split(self.generator(means[None])[0], 2)
        last = self.rates.shape[0] - 1
        return [
            tf.unstack(of_task * learned.value[tf.minimum(step, last)])
            for of_task, learned in zip(generated, (self.rates, self.decays))
        ]

    def get_config(self):
        return {**super().get_config(), "weight_decay": self.weight_decay}


def _make_generator(width, dtype):
    """Return the network that generates multipliers, at first all one."""
    return keras.Sequential(
        [
            keras.Input((width,), dtype=dtype),
            keras.layers.Dense(width, "relu", dtype=dtype, name="hidden"),
            keras.layers.Dense(
                width,
                kernel_initializer="zeros",
                bias_initializer="ones",
                dtype=dtype,
                name="multipliers",
            ),
        ],
        name="generator",
    )
