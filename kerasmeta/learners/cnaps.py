"""Conditional neural adaptive processes."""

import keras
import tensorflow as tf

from kerasmeta.learners.checks import check_examples
from kerasmeta.learners.context_network import context_size
from kerasmeta.learners.context_network import with_context
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops import batch_statistics
from kerasmeta.ops import class_prototypes
from kerasmeta.ops import masked_mean


@keras.saving.register_keras_serializable(package="kerasmeta")
class CNAPS(EmbeddingLearner):
    """CNAPs: one look at the support set sets up a network for the task.

    Use it where tasks come from different kinds of data, and adapting must cost
    no more than a forward pass: networks generate what other learners find by
    gradient steps. With `e` the set encoder, `f` the backbone, modulated by a
    context `z`, and `c_n` the mean of `f(x; z)` over the support examples of
    class `n`,

    `z = mean of e(x) over the support set`,
    `w_n = c_n + g(c_n)`, `b_n = h(c_n)`,
    `logits_n = f(query; z) . w_n + b_n`

    where `g` and `h` are networks of three dense layers. It is as good for any
    number of classes. How `z` modulates `f` is up to the backbone, which takes
    a pair `[x, context]`: `km.backbones.conv4(..., context_size=64)` does it
    with `km.layers.FiLM`, as any functional network can.

    The paper freezes a backbone that was pre-trained without modulation, and
    trains the rest. Contexts of zeros modulate nothing while the biases of the
    `FiLM` layers are zero: pre-train with them and with `FiLM` frozen, and then
    freeze all else, as in the example. Its parameters are generated layer after
    layer ("auto-regressive"), or from `z` alone, as here; one dense layer
    generates them, where the paper has more.

    Compile it with `SparseCategoricalCrossentropy(from_logits=True)`.

    Reference: Requeima, Gordon, Bronskill, Nowozin and Turner, 2019, "Fast and
    Flexible Multi-Task Classification Using Conditional Neural Adaptive
    Processes", arXiv:1906.07697.

    Args:
        backbone: Built `keras.Model` from a pair of examples and a context
            `[n, K]` to embeddings `[n, D]`.
        set_encoder: Built `keras.Model` from examples to `[n, K]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone does not take such a pair, does not return
            embeddings, or the set encoder returns contexts of another length.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8, context_size=4)
    >>> for layer in backbone.layers:  # As after pre-training.
    ...     layer.trainable = isinstance(layer, km.layers.FiLM)
    >>> encoder = km.backbones.conv4((28, 28, 1), num_classes=4, filters=8)
    >>> learner = km.learners.CNAPS(backbone, encoder)
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

    def __init__(self, backbone, set_encoder, ways=None, **kwargs):
        super().__init__(backbone, ways, **kwargs)
        sizes = context_size(backbone), embedding_size(set_encoder)
        if sizes[0] != sizes[1]:
            raise ValueError(
                "`set_encoder` must return contexts as long as those that the "
                f"backbone takes. Received: contexts of length {sizes[1]} for "
                f"a backbone that takes {sizes[0]}"
            )
        self.set_encoder = set_encoder
        size = embedding_size(backbone)
        self.weight_generator = self._generator(size, size, "weight_generator")
        self.bias_generator = self._generator(size, 1, "bias_generator")

    def _generator(self, size, outputs, name):
        hidden = [
            keras.layers.Dense(units, "elu", dtype=self.variable_dtype)
            for units in (outputs, outputs)
        ]
        last = keras.layers.Dense(outputs, dtype=self.variable_dtype)
        network = keras.Sequential([*hidden, last], name=name)
        network.build((None, None, size))
        return network

    def encode_tasks(self, support_x, mask=None, training=False):
        """Return the contexts of tasks, `[T, K]`.

        Args:
            support_x: Support examples, `[T, S, ...]`, or a nest.
            mask: Optional `[T, S]`, true for the examples that count.
            training: Whether the learner itself is being trained.
        """
        shape = tf.shape(tf.nest.flatten(support_x)[0])[:2]
        flat = tf.nest.map_structure(
            lambda t: tf.ensure_shape(
                tf.reshape(t, tf.concat([[-1], tf.shape(t)[2:]], axis=0)),
                [None, *t.shape[2:]],
            ),
            support_x,
        )
        is_real = (
            tf.ones(shape, "bool") if mask is None else tf.cast(mask, "bool")
        )
        counted = None if mask is None else tf.reshape(is_real, [-1])
        with batch_statistics(None, counted):
            codes = self.set_encoder(flat, training=training)
        codes = tf.cast(codes, self.variable_dtype)
        codes = tf.reshape(codes, [shape[0], shape[1], codes.shape[-1]])
        return masked_mean(codes, is_real)

    def adapt(self, support_x, support_y, support_mask=None, training=False):
        one_task = tf.nest.map_structure(lambda t: t[None], support_x)
        mask = None if support_mask is None else support_mask[None]
        context = self.encode_tasks(one_task, mask, training)[0]
        pair = with_context(support_x, context)
        state = super().adapt(pair, support_y, support_mask, training)
        return {**state, "context": context}

    def predict_query(self, state, query_x, training=False):
        pair = with_context(query_x, state["context"])
        state = {k: v for k, v in state.items() if k != "context"}
        return super().predict_query(state, pair, training)

    def solve(self, episodes, training=False):
        contexts = self.encode_tasks(
            episodes["support_x"], episodes.get("support_mask"), training
        )
        pairs = {
            name: with_context(episodes[name], contexts)
            for name in ("support_x", "query_x")
        }
        return super().solve({**episodes, **pairs}, training)

    def fit_head(self, embeddings, labels, ways, mask=None):
        means = class_prototypes(embeddings, labels, ways, mask)  # (T, N, D)
        return {
            "weights": means + self.weight_generator(means),
            "biases": self.bias_generator(means),
        }

    def apply_head(self, state, embeddings):
        biases = tf.linalg.matrix_transpose(state["biases"])  # (T, 1, N)
        scores = tf.matmul(embeddings, state["weights"], transpose_b=True)
        return scores + biases

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        check_examples(self.set_encoder, support_x, "set encoder")
        context = tf.zeros([context_size(self.backbone)], self.variable_dtype)
        pair = with_context(support_x, context)
        super().check_task(pair, support_y, query_y, ways)

    def get_config(self):
        return {
            **super().get_config(),
            "set_encoder": keras.saving.serialize_keras_object(
                self.set_encoder
            ),
        }

    @classmethod
    def from_config(cls, config):
        encoder = keras.saving.deserialize_keras_object(config["set_encoder"])
        return super().from_config({**config, "set_encoder": encoder})
