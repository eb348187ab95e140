"""MAML whose head begins as prototypes."""

import contextlib

import keras
import tensorflow as tf

from kerasmeta.learners.adapted_learner import adapt_learner
from kerasmeta.learners.checks import check_classes
from kerasmeta.learners.counted_ways import counted_ways
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops import class_prototypes
from kerasmeta.ops.absent_classes import present_classes
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.utils import check_positive_int

# The bias of a class without support examples: it marks the class, whatever an
# inner optimizer multiplies it by. No gradient ever reaches it.
_ABSENT = -1e30


@keras.saving.register_keras_serializable(package="kerasmeta")
class ProtoMAML(GradientLearner):
    """MAML with a head that begins as the nearest class mean.

    Use it where the number of classes varies from task to task, or where MAML
    takes too many steps to find out which output is which class: before the
    first step it is a prototypical network, and the steps make it better. With
    `f` the backbone and `c_n` the mean of `f(x)` over the support examples of
    class `n`, the head begins as

    `W_n = 2 c_n`, `b_n = -||c_n||^2`, so that
    `W_n f(x) + b_n = ||f(x)||^2 - ||f(x) - c_n||^2`

    and then the weights of the backbone and the head adapt as in MAML. The
    outer gradient goes through the prototypes, too. With `first_order=True` it
    still does: only the inner gradients become constants. A class without
    support examples, as in a padded episode, has no chance.

    Compile it with `SparseCategoricalCrossentropy(from_logits=True)`.

    Reference: Triantafillou et al., 2020, "Meta-Dataset: A Dataset of Datasets
    for Learning to Learn from Few Examples", arXiv:1903.03096.

    Args:
        network: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        inner_learning_rate: Positive number, the rate of gradient descent in
            the inner loop.
        **kwargs: `inner_steps`, `first_order`, `inner_optimizer`,
            `inner_loss`, `batch_norm`, `test_inner_steps`,
            `second_order_after`, `rematerialize` and `unroll`, as for `MAML`;
            `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the network does not return embeddings, an argument is
            unsuitable, or `ways` is `None` and the inner optimizer has
            weights of its own.

    Example:

    >>> network = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.ProtoMAML(network, inner_learning_rate=0.01)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    def __init__(self, network, ways=None, inner_learning_rate=0.01, **kwargs):
        if ways is not None:
            check_positive_int("ways", ways, 2)
        self.ways = ways
        self.embedding_size = embedding_size(network)
        super().__init__(network, inner_learning_rate, **kwargs)
        if ways is None and self.inner_optimizer.weights:
            raise ValueError(
                "An inner optimizer with weights of its own has some for the "
                "head, so `ways` must be given. "
                f"Received: ways=None, inner_optimizer={self.inner_optimizer!r}"
            )

    def initial_fast_weights(
        self, support_x=None, support_y=None, support_mask=None
    ):
        # `_take_steps` makes the head, from embeddings like those of the steps.
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
        is_class = bias > 1e-3 * _ABSENT
        bias = tf.where(is_class, bias, 0.0)
        logits = tf.matmul(tf.cast(embeddings, kernel.dtype), kernel) + bias
        return rule_out(logits, is_class), buffers, losses

    def _take_steps(self, state, support, training, collect=None):
        weights = self._begin_with_prototypes(state, support, training)
        state = {
            **state,
            "fast_weights": weights,
            "optimizer": self.inner_optimizer.initial_state(weights),
        }
        return super()._take_steps(state, support, training, collect)

    def _begin_with_prototypes(self, state, support, training):
        """Return the fast weights with the head that the prototypes make."""
        *backbone, kernel, _ = state["fast_weights"]
        mask = support.get("mask")
        labels = tf.reshape(tf.cast(support["y"], "int32"), [-1])
        with self._policy(mask):
            embeddings, _, _ = super().forward(
                backbone, state["buffers"], support["x"], training
            )
        embeddings = tf.cast(embeddings, kernel.dtype)
        with self._counting(labels) as ways:
            prototypes = class_prototypes(embeddings, labels, ways, mask)
            is_class = present_classes(labels, ways, mask)
        bias = -tf.reduce_sum(tf.square(prototypes), axis=-1)
        bias = tf.where(is_class, bias, _ABSENT)
        return [*backbone, 2 * tf.transpose(prototypes), bias]

    def _counting(self, support_y):
        if self.ways is not None:
            return contextlib.nullcontext(self.ways)
        return counted_ways(support_y)

    def solve(self, episodes, training=False):
        with self._counting(episodes["support_y"]):
            return super().solve(episodes, training)

    def meta_gradients(self, episodes, query_y, sample_weight=None):
        with self._counting(episodes["support_y"]):
            return super().meta_gradients(episodes, query_y, sample_weight)

    def adapted_model(self, support_x, support_y, support_mask=None):
        return adapt_learner(self, support_x, support_y, support_mask)

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        check_classes(support_y, query_y, self.ways)

    def get_config(self):
        return {**super().get_config(), "ways": self.ways}
