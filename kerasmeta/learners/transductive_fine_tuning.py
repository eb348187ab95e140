"""Transductive fine-tuning of all weights."""

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers import Adam
from kerasmeta.learners.gradient_step import gradient_step
from kerasmeta.learners.meta_learner import MetaLearner
from kerasmeta.learners.prototype_head_learner import PrototypeHeadLearner
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class TransductiveFineTuning(PrototypeHeadLearner):
    """Fine-tunes all weights until queries are certain, too. Transductive.

    What to compare transductive learners with: pre-train a network with plain
    cross-entropy, and `evaluate` without any `fit`. With `f` the network, `z`
    its normalized embeddings and `c_n` the mean of `f(x)` over the support
    examples of class `n`,

    `logits = W z + b`, from `W_n = c_n / ||c_n||` and `b = 0`,

    and all weights take, `inner_steps` times, two steps of Adam in turn, with
    the same moments:

    1. down the mean cross-entropy of the support set,
    2. down `entropy_weight` times the mean Shannon entropy of the predictions
       for the queries.

    The rate is the paper's, and small on purpose: with large steps, or on a
    head alone, nothing keeps entropy from putting all queries into one class.
    The paper's embeddings are the scores of the training classes after a ReLU.
    Its code normalizes with the statistics of the batch while it fine-tunes;
    here BatchNormalization keeps its moving statistics, unless
    `batch_norm="transductive"`.

    It learns when it is asked: `adapt` makes the head, and `predict_query`
    fine-tunes, for the queries that one call hands it. `predict` of an
    `adapted_model` therefore fine-tunes anew for each batch, from the same
    start: what it says of a query depends on the others in its batch, and takes
    all steps each time. Give it a `batch_size` of at least all queries.

    Reference: Dhillon, Chaudhari, Ravichandran and Soatto, 2020, "A Baseline
    for Few-Shot Image Classification", arXiv:1909.02729.

    Args:
        network: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        inner_learning_rate: Positive number, the rate of Adam.
        inner_steps: Number of pairs of steps.
        entropy_weight: Weight of the entropy of the queries.
        inner_loss: Loss of the support set, of logits; by default their
            cross-entropy.
        batch_norm: `"moving"` or `"transductive"`, as for `MAML`.
        unroll: Whether the graph holds all steps one after another.
        **kwargs: `first_order`, `inner_optimizer`, `test_inner_steps`,
            `second_order_after` and `rematerialize`, as for `MAML`; `name` and
            `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the network does not return embeddings or an argument
            is unsuitable.

    Example:

    >>> network = km.backbones.conv4((28, 28, 1), filters=4)
    >>> learner = km.learners.TransductiveFineTuning(network, inner_steps=2)
    >>> learner.compile(
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("test").episodes(
    ...     spec, batch_size=1, num_episodes=2
    ... )
    >>> sorted(learner.evaluate(episodes, verbose=0, return_dict=True))
    ['accuracy', 'accuracy_ci95', 'loss']
    """

    transductive = True

    def __init__(
        self,
        network,
        ways=None,
        inner_learning_rate=5e-5,
        inner_steps=25,
        entropy_weight=1.0,
        inner_loss=None,
        batch_norm="moving",
        unroll=False,
        **kwargs,
    ):
        # Not the compiled one: an adapted model fine-tunes, too.
        crossentropy = keras.losses.SparseCategoricalCrossentropy(True)
        super().__init__(
            network,
            ways,
            inner_learning_rate,
            inner_steps=inner_steps,
            inner_loss=inner_loss or crossentropy,
            batch_norm=check_choice(
                "batch_norm", batch_norm, ("moving", "transductive")
            ),
            unroll=unroll,
            **kwargs,
        )
        self.entropy_weight = check_positive_number(
            "entropy_weight", entropy_weight
        )

    def default_inner_optimizer(self):
        return Adam(self.inner_learning_rate, name="inner_optimizer")

    def initial_head(self, prototypes):
        directions = tf.math.l2_normalize(prototypes, axis=-1)
        return tf.transpose(directions), tf.zeros_like(prototypes[:, 0])

    def head_features(self, embeddings):
        return tf.math.l2_normalize(embeddings, axis=-1)

    def _adapt(self, support_x, support_y, support_mask, buffers, training):
        support = {"x": support_x, "y": support_y}
        if support_mask is not None:
            support["mask"] = support_mask
        state = {
            "fast_weights": self.initial_fast_weights(),
            "buffers": buffers,
        }
        weights = self.begin_with_prototypes(state, support, training)
        return {
            **state,
            "fast_weights": weights,
            "support": support,
            "is_class": self.classes_of(support_y, support_mask),
        }

    def _predict(self, state, query_x, training, query_mask=None):
        is_class = state["is_class"]
        queries = {"x": query_x, "is_class": is_class}
        if query_mask is not None:
            queries["mask"] = query_mask
        weights, support = state["fast_weights"], state["support"]
        state = {
            "fast_weights": weights,
            "buffers": state["buffers"],
            "optimizer": self.inner_optimizer.initial_state(weights),
        }
        state, _ = self._take_steps(state, (support, queries), training)
        state["is_class"] = is_class
        return super()._predict(state, query_x, training, query_mask)

    def step_function(self, training):
        step_fn = gradient_step(self, training)

        def both_steps(state, step, batches):
            for i, batch in enumerate(batches):
                state = step_fn(state, 2 * step + i, batch)
            return state

        return both_steps

    def inner_objective(self, weights, buffers, support, step, training):
        if "y" in support:
            return super().inner_objective(
                weights, buffers, support, step, training
            )
        mask = support.get("mask")
        logits, buffers, _ = self._forward(
            weights, buffers, support["x"], training, mask, step
        )
        logits = rule_out(logits, support["is_class"])
        return self.entropy_weight * _mean_entropy(logits, mask), buffers

    def adapted_model(self, support_x, support_y, support_mask=None):
        return MetaLearner.adapted_model(
            self, support_x, support_y, support_mask
        )

    def get_config(self):
        return {**super().get_config(), "entropy_weight": self.entropy_weight}


def _mean_entropy(logits, mask):
    """Return the mean entropy of the predictions that `mask` marks."""
    products = tf.nn.softmax(logits) * tf.nn.log_softmax(logits)
    entropies = -tf.reduce_sum(products, axis=-1)
    if mask is None:
        return tf.reduce_mean(entropies)
    weights = tf.cast(mask, entropies.dtype)
    total = tf.reduce_sum(weights * entropies)
    return tf.math.divide_no_nan(total, tf.reduce_sum(weights))
