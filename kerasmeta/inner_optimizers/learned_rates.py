"""Rates that are learned with the weights."""

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_number

GRANULARITIES = ("weight", "channel", "layer", "layer_step")


@keras.saving.register_keras_serializable(package="kerasmeta")
class LearnedRates(InnerOptimizer):
    """Gradient descent with rates that the outer loop learns.

    Use it where no single rate suits all weights: rates decide how far, and by
    their signs in which direction, each weight adapts.

    `w <- w - rate * gradient`

    With `per="weight"` each number of a weight tensor has its rate, as in
    Meta-SGD; with `per="channel"` all that share a place in the last axis have
    one; with `per="layer"` each tensor has one; with `per="layer_step"` each
    tensor has one for each inner step, as in MAML++. Steps after the last
    one in training use its rates. Rates may become negative. Where they grow
    until some tasks diverge, `clipvalue=10.0` holds the inner gradients.

    Reference: Li, Zhou, Chen and Li, 2017, "Meta-SGD: Learning to Learn
    Quickly for Few-Shot Learning", arXiv:1707.09835; Antoniou, Edwards and
    Storkey, 2019, "How to train your MAML", arXiv:1810.09502.

    Args:
        learning_rate: Positive number, what all rates are at the beginning.
        per: `"weight"`, `"channel"`, `"layer"` or `"layer_step"`.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, as for
            `keras.optimizers`, and `name`.

    Raises:
        ValueError: If the rate is not a positive finite number, or `per` is
            unknown.

    Example:

    >>> optimizer = km.inner_optimizers.LearnedRates(0.5, per="layer_step")
    >>> network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    >>> learner = km.learners.MAML(
    ...     network, inner_steps=3, inner_optimizer=optimizer
    ... )
    >>> [rates.numpy() for rates in optimizer.rates]  # kernel and bias
    [array([0.5, 0.5, 0.5], dtype=float32),
     array([0.5, 0.5, 0.5], dtype=float32)]
    """

    learns_rates = True

    def __init__(self, learning_rate=0.01, per="weight", **kwargs):
        # A schedule over steps is what `per="layer_step"` learns.
        check_positive_number("learning_rate", learning_rate)
        super().__init__(learning_rate, **kwargs)
        self.per = check_choice("per", per, GRANULARITIES)

    def build_for(self, weights, steps=1):
        super().build_for(weights, steps)
        shape_of = {
            "weight": lambda w: tuple(w.shape),
            "channel": lambda w: tuple(w.shape[-1:]),
            "layer": lambda w: (),
            "layer_step": lambda w: (steps,),
        }[self.per]
        self.rates = [
            self.add_weight(
                shape=shape_of(w),
                initializer=keras.initializers.Constant(self.learning_rate),
                dtype=w.dtype.name,
                name=f"rate_{i}",
            )
            for i, w in enumerate(weights)
        ]

    def step(self, weights, gradients, state, step, loss=None):
        rates = [self._rates_at(rates, step) for rates in self.rates]
        moved = [w - r * g for w, r, g in zip(weights, rates, gradients)]
        return moved, state

    def _rates_at(self, rates, step):
        values = tf.convert_to_tensor(rates)
        if self.per != "layer_step":
            return values
        return values[tf.minimum(step, values.shape[0] - 1)]

    def get_config(self):
        return {**super().get_config(), "per": self.per}
