"""The base of learners that fit a head to the support set by descent."""

import abc

import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops import descend
from kerasmeta.ops.absent_classes import present_classes
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.utils import check_fraction
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


class FittedHeadLearner(EmbeddingLearner, abc.ABC):
    """Fits a softmax head to embedded support sets by gradient descent.

    A subclass writes the head: the weights it begins with, its logits, and the
    gradients of its weights, all with a leading task axis. The mean
    cross-entropy of the support set is minimised with momentum and weight
    decay, on the whole support set at each step, in one loop for all tasks of a
    meta-batch. `fit` differentiates through the loop, if the backbone is
    trainable.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        steps: Number of gradient steps.
        learning_rate: Rate of a step.
        momentum: Share of the last step that is taken again, in [0, 1).
        weight_decay: Weight of the squared norm of the head, halved.
    """

    def __init__(
        self,
        backbone,
        ways=None,
        steps=100,
        learning_rate=0.01,
        momentum=0.9,
        weight_decay=0.001,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        self.steps = check_positive_int("steps", steps)
        self.learning_rate = check_positive_number(
            "learning_rate", learning_rate
        )
        self.momentum = check_fraction("momentum", momentum)
        self.weight_decay = check_fraction("weight_decay", weight_decay)

    @abc.abstractmethod
    def initial_head(self, features, labels, ways, mask=None):
        """Return the weights to begin with, a tuple of tensors.

        Args:
            features: `[T, S, D]`.
            labels: `[T, S]`, integers.
            ways: Number of classes, `N`.
            mask: Optional `[T, S]`, true for the examples that count.
        """

    @abc.abstractmethod
    def head_logits(self, weights, features):
        """Return logits `[T, n, N]` for features `[T, n, D]`."""

    @abc.abstractmethod
    def head_gradients(self, weights, features, errors):
        """Return the gradients of the weights, a tuple.

        Args:
            weights: Tuple of tensors.
            features: `[T, S, D]`.
            errors: Gradient of the loss by the logits, `[T, S, N]`.
        """

    def fit_head(self, embeddings, labels, ways, mask=None):
        targets = tf.one_hot(labels, ways, dtype=embeddings.dtype)  # (T, S, N)
        shares = tf.ones_like(embeddings[..., :1])
        if mask is not None:
            shares *= tf.cast(mask, embeddings.dtype)[..., None]
        shares /= tf.reduce_sum(shares, axis=1, keepdims=True)
        is_class = present_classes(labels, ways, mask)[:, None]

        def gradients(weights):
            logits = rule_out(self.head_logits(weights, embeddings), is_class)
            errors = shares * (tf.nn.softmax(logits) - targets)
            return self.head_gradients(weights, embeddings, errors)

        weights = self.initial_head(embeddings, labels, ways, mask)
        return descend(
            gradients,
            weights,
            self.steps,
            self.learning_rate,
            self.momentum,
            self.weight_decay,
        )

    def apply_head(self, state, embeddings):
        return self.head_logits(state, embeddings)

    def get_config(self):
        return {
            **super().get_config(),
            "steps": self.steps,
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "weight_decay": self.weight_decay,
        }
