"""The base of gradient learners whose head begins as class means."""

import abc
import contextlib

import tensorflow as tf

from kerasmeta.learners.checks import check_classes
from kerasmeta.learners.counted_ways import counted_ways
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.mean_over_tasks import mean_over_tasks
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops import class_prototypes
from kerasmeta.ops.absent_classes import present_classes
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.utils import check_positive_int


class PrototypeHeadLearner(GradientLearner, abc.ABC):
    """Adapts a backbone and a linear head, of as many classes as a task has.

    A subclass says how the head begins: `initial_head`. It is made from the
    class means of the support set, by `begin_with_prototypes`, and the outer
    gradient goes through it. A class without support examples, as in a padded
    episode, has no chance.

    Args:
        network: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch. `jit_compile=True` needs it.
        inner_learning_rate: Rate of the default inner optimizer.
        **kwargs: As for `GradientLearner`.
    """

    def __init__(self, network, ways=None, inner_learning_rate=0.01, **kwargs):
        if ways is not None:
            check_positive_int("ways", ways, 2)
        self.ways = ways
        self.embedding_size = embedding_size(network)
        super().__init__(network, inner_learning_rate, **kwargs)
        self.supports_jit = ways is not None
        if ways is None and self.inner_optimizer.trainable_weights:
            raise ValueError(
                "An inner optimizer with weights of its own has some for the "
                "head, so `ways` must be given. "
                f"Received: ways=None, inner_optimizer={self.inner_optimizer!r}"
            )

    @abc.abstractmethod
    def initial_head(self, prototypes):
        """Return the kernel `[D, N]` and the bias `[N]` of the head at first.

        Args:
            prototypes: Class means of the embedded support set, `[N, D]`.
        """

    def head_features(self, embeddings):
        """Return what the head is applied to, `[n, D]`; the embeddings."""
        return embeddings

    def initial_fast_weights(
        self, support_x=None, support_y=None, support_mask=None
    ):
        # The head is made later, from embeddings like those of the steps.
        ways, dtype = self.ways or 2, self.variable_dtype
        return [
            *super().initial_fast_weights(),
            tf.zeros([self.embedding_size, ways], dtype),
            tf.zeros([ways], dtype),
        ]

    def forward(self, fast_weights, buffers, x, training=False, step=0):
        *backbone, kernel, bias = fast_weights
        embeddings, buffers, losses = super().forward(
            backbone, buffers, x, training, step
        )
        features = self.head_features(tf.cast(embeddings, kernel.dtype))
        return tf.matmul(features, kernel) + bias, buffers, losses

    def _support_loss(self, y, y_pred, mask):
        # Not marked in the weights, which inner optimizers look at.
        is_class = self.classes_of(y, mask)
        return super()._support_loss(y, rule_out(y_pred, is_class), mask)

    def classes_of(self, support_y, support_mask=None):
        """Return which classes have support examples, bool `[N]`."""
        labels = _as_labels(support_y)
        with self._counting(labels) as ways:
            return present_classes(labels, ways, support_mask)

    def _adapt(self, support_x, support_y, support_mask, *args):
        state = super()._adapt(support_x, support_y, support_mask, *args)
        return {**state, "is_class": self.classes_of(support_y, support_mask)}

    def _predict(self, state, *args):
        logits, buffers, losses = super()._predict(state, *args)
        return rule_out(logits, state["is_class"]), buffers, losses

    def begin_with_prototypes(self, state, support, training):
        """Return the fast weights with the head that the prototypes make.

        Args:
            state: Dictionary with `"fast_weights"` and `"buffers"`.
            support: Dictionary of `"x"`, `"y"` and maybe `"mask"`.
            training: Whether the learner itself is being trained.
        """
        *backbone, kernel, _ = state["fast_weights"]
        mask = support.get("mask")
        labels = _as_labels(support["y"])
        with self._policy(mask):
            embeddings, _, _ = super().forward(
                backbone, state["buffers"], support["x"], training
            )
        embeddings = tf.cast(embeddings, kernel.dtype)
        with self._counting(labels) as ways:
            prototypes = class_prototypes(embeddings, labels, ways, mask)
        return [*backbone, *self.initial_head(prototypes)]

    def _counting(self, support_y):
        if self.ways is not None:
            return contextlib.nullcontext(self.ways)
        return counted_ways(support_y)

    @mean_over_tasks
    def solve(self, episodes, training=False):
        with self._counting(episodes["support_y"]):
            return super().solve(episodes, training)

    def meta_gradients(self, episodes, query_y, sample_weight=None):
        with self._counting(episodes["support_y"]):
            return super().meta_gradients(episodes, query_y, sample_weight)

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        check_classes(support_y, query_y, self.ways)

    def get_config(self):
        return {**super().get_config(), "ways": self.ways}


def _as_labels(support_y):
    return tf.reshape(tf.cast(support_y, "int32"), [-1])
