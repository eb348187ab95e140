"""The base of all inner optimizers."""

import abc

import keras
import tensorflow as tf

from kerasmeta.ops import safe_sqrt
from kerasmeta.utils import check_positive_number


class InnerOptimizer(keras.layers.Layer, abc.ABC):
    """How the fast weights move in the inner loop: a strategy object.

    It is a pair of pure functions, so that an outer gradient can flow through
    every step. It is a Keras layer because it may own trainable weights of its
    own (learned rates); those are made in `build_for`.

    Rates are numbers, or `keras.optimizers.schedules.LearningRateSchedule` over
    the *inner* steps. As in Keras' optimizers a number is kept in a variable:
    set `learning_rate` to another, and graphs made before use it. Gradients can
    be clipped before they are used, as in Keras' optimizers, and the outer
    gradient goes through the clipping.

    Args:
        learning_rate: Positive number or schedule.
        clipnorm: Largest Euclidean norm of the gradient of one weight tensor.
        clipvalue: Largest absolute value of a number in a gradient.
        global_clipnorm: Largest Euclidean norm of all gradients together.
    """

    # Whether the outer loop learns the rates, which only begin at
    # `learning_rate`.
    learns_rates = False

    def __init__(
        self,
        learning_rate=0.01,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self._learning_rate = _check_rate(learning_rate)
        self._rate_variable = None
        if not callable(learning_rate) and not self.learns_rates:
            self._rate_variable = self.add_weight(
                shape=(),
                initializer="zeros",
                dtype=keras.config.floatx(),
                trainable=False,
                name="learning_rate",
            )
            # An initializer would round it to single precision.
            self._rate_variable.assign(learning_rate)
        limits = {
            "clipnorm": clipnorm,
            "clipvalue": clipvalue,
            "global_clipnorm": global_clipnorm,
        }
        given = {k: v for k, v in limits.items() if v is not None}
        if len(given) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can "
                f"be set. Received: {given}"
            )
        for name, limit in given.items():
            check_positive_number(name, limit)
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm

    def build_for(self, weights, steps=1):
        """Make the weights of the optimizer.

        Args:
            weights: List of tensors like those that it will move.
            steps: Number of inner steps in training.

        Raises:
            ValueError: If it has made weights already, for another learner.
        """
        if self.built and self.trainable_variables:
            raise ValueError(
                "An inner optimizer that learns belongs to one learner; make "
                "another one for each. Received: an optimizer that already has "
                f"the weights {[v.path for v in self.trainable_variables]}"
            )
        self.built = True

    def initial_state(self, weights):
        """Return the state before the first step, a nest of tensors."""
        return []

    def apply(self, weights, gradients, state, step, loss=None):
        """Clip the gradients and take one step; what learners call."""
        return self.step(weights, self.clip(gradients), state, step, loss)

    @abc.abstractmethod
    def step(self, weights, gradients, state, step, loss=None):
        """Take one step.

        Args:
            weights: List of tensors.
            gradients: List of tensors of the same shapes.
            state: What `initial_state` or the step before returned.
            step: Number of the step, from 0, an integer or a tensor.
            loss: Scalar, the loss that the gradients are of.

        Returns:
            `(weights, state)` after the step.
        """

    @property
    def learning_rate(self):
        """The rate that is used now, a number or a schedule.

        In `step` it is `rate_at`, which graphs see.
        """
        if self._rate_variable is None:
            return self._learning_rate
        rate = self._rate_variable.numpy()
        # The number itself, which the variable may have rounded.
        is_same = rate == rate.dtype.type(self._learning_rate)
        return self._learning_rate if is_same else _shortest(rate)

    @learning_rate.setter
    def learning_rate(self, rate):
        if self._rate_variable is None or callable(rate):
            raise ValueError(
                "`learning_rate` can be set to another number where it is a "
                "number that is not learned. Make another optimizer instead. "
                f"Received: learning_rate={rate!r} for {self!r}"
            )
        self._rate_variable.assign(check_positive_number("learning_rate", rate))
        # A schedule that goes on from a file must see the very same number.
        self._learning_rate = _shortest(self._rate_variable.numpy())

    def rate_at(self, step):
        """Return the rate of a step, of dtype `floatx()`.

        Weights may have another, to which it has to be cast.
        """
        if self._rate_variable is None:
            # As fast weights, which have full precision.
            return tf.cast(self._learning_rate(step), keras.config.floatx())
        return tf.convert_to_tensor(self._rate_variable.value)

    def clip(self, gradients):
        """Return the gradients within their limit."""
        if self.clipvalue is not None:
            limit = self.clipvalue
            return [tf.clip_by_value(g, -limit, limit) for g in gradients]
        if self.clipnorm is not None:
            return [_shorten(g, _norm([g]), self.clipnorm) for g in gradients]
        if self.global_clipnorm is not None:
            norm = _norm(gradients)
            return [_shorten(g, norm, self.global_clipnorm) for g in gradients]
        return gradients

    def get_config(self):
        rate = self.learning_rate
        if callable(rate):
            rate = keras.saving.serialize_keras_object(rate)
        return {
            **super().get_config(),
            "learning_rate": rate,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = keras.saving.deserialize_keras_object(
                config["learning_rate"]
            )
        return cls(**config)


def _check_rate(learning_rate):
    schedule = keras.optimizers.schedules.LearningRateSchedule
    if isinstance(learning_rate, schedule):
        return learning_rate
    return check_positive_number("learning_rate", learning_rate)


def _shortest(rate):
    """Return the number of fewest digits that is rounded to `rate`."""
    return float(str(rate))


def _norm(gradients):
    return safe_sqrt(tf.add_n([tf.reduce_sum(tf.square(g)) for g in gradients]))


def _shorten(gradient, norm, limit):
    return gradient * (limit / tf.maximum(norm, limit))
