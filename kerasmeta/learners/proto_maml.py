"""MAML whose head begins as prototypes."""

import keras
import tensorflow as tf

from kerasmeta.learners.adapted_learner import adapt_learner
from kerasmeta.learners.prototype_head_learner import PrototypeHeadLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class ProtoMAML(PrototypeHeadLearner):
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
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=1)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    def initial_head(self, prototypes):
        bias = -tf.reduce_sum(tf.square(prototypes), axis=-1)
        return 2 * tf.transpose(prototypes), bias

    def _take_steps(self, state, support, training, collect=None):
        weights = self.begin_with_prototypes(state, support, training)
        state = {
            **state,
            "fast_weights": weights,
            "optimizer": self.inner_optimizer.initial_state(weights),
        }
        return super()._take_steps(state, support, training, collect)

    def adapted_model(self, support_x, support_y, support_mask=None):
        return adapt_learner(self, support_x, support_y, support_mask)
