"""How actions are drawn from what a network says."""

import abc
import math

import tensorflow as tf

from kerasmeta.ops.seeded_noise import seeded_normals
from kerasmeta.ops.seeded_noise import seeded_uniforms

_TINY = 1e-30
# Beyond these an inner step makes numbers that no other step can mend.
_LOG_DEVIATIONS = math.log(0.01), math.log(100.0)


class ActionDistribution(abc.ABC):
    """A distribution of actions, given by the outputs of a network.

    Args:
        size: Number of actions, or length of an action.
    """

    def __init__(self, size):
        self.size = size

    @property
    @abc.abstractmethod
    def output_size(self):
        """How many outputs a network must have."""

    @abc.abstractmethod
    def sample(self, outputs, seed):
        """Draw an action for each row of `outputs`, `[..., output_size]`."""

    @abc.abstractmethod
    def log_prob(self, outputs, actions):
        """Return the logarithm of the density of the actions, `[...]`."""

    @abc.abstractmethod
    def entropy(self, outputs):
        """Return the entropy, `[...]`."""

    @abc.abstractmethod
    def encode(self, actions):
        """Return what a network is told of the actions, `[..., size]`."""


class Categorical(ActionDistribution):
    """Numbered actions: the outputs are logits.

    A logit of minus infinity means that an action is impossible.
    """

    @property
    def output_size(self):
        return self.size

    def sample(self, outputs, seed):
        uniforms = seeded_uniforms(tf.shape(outputs), seed)
        # A zero would make what is possible as unlikely as what is not.
        uniforms = tf.maximum(uniforms, _TINY)
        # The largest of logits plus Gumbel noise has the right distribution.
        noise = -tf.math.log(-tf.math.log(uniforms))
        return tf.argmax(outputs + noise, axis=-1, output_type="int32")

    def log_prob(self, outputs, actions):
        logs = tf.nn.log_softmax(outputs)
        is_taken = self.encode(actions) > 0
        # No gather, whose second derivative is a scatter; and no product, as
        # zero times minus infinity is none.
        return tf.reduce_sum(tf.where(is_taken, logs, 0.0), axis=-1)

    def entropy(self, outputs):
        logs = tf.nn.log_softmax(outputs)
        # What is impossible adds nothing.
        finite = tf.where(outputs > -math.inf, logs, 0.0)
        return -tf.reduce_sum(tf.exp(logs) * finite, axis=-1)

    def encode(self, actions):
        return tf.one_hot(actions, self.size)


class DiagonalNormal(ActionDistribution):
    """Vectors: the outputs are means, then logarithms of deviations.

    Deviations are kept between 0.01 and 100.
    """

    @property
    def output_size(self):
        return 2 * self.size

    def sample(self, outputs, seed):
        mean, log_deviation = _split(outputs)
        noise = seeded_normals(tf.shape(mean), seed)
        return mean + tf.exp(log_deviation) * noise

    def log_prob(self, outputs, actions):
        mean, log_deviation = _split(outputs)
        scaled = (actions - mean) * tf.exp(-log_deviation)
        constant = 0.5 * math.log(2 * math.pi)
        logs = -0.5 * tf.square(scaled) - log_deviation - constant
        return tf.reduce_sum(logs, axis=-1)

    def entropy(self, outputs):
        _, log_deviation = _split(outputs)
        constant = 0.5 * math.log(2 * math.pi * math.e)
        return tf.reduce_sum(log_deviation + constant, axis=-1)

    def encode(self, actions):
        return actions


def _split(outputs):
    mean, log_deviation = tf.split(outputs, 2, axis=-1)
    return mean, tf.clip_by_value(log_deviation, *_LOG_DEVIATIONS)


def action_distribution(environment):
    """Return the distribution that suits an environment's actions."""
    kind = Categorical if environment.is_discrete else DiagonalNormal
    return kind(environment.action_size)
