"""Few-shot embedding adaptation with a transformer."""

import keras
import tensorflow as tf

from kerasmeta.layers.set_attention import SetAttention
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.embedding_learner import as_labels
from kerasmeta.learners.embedding_learner import real_examples
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops import class_prototypes
from kerasmeta.ops import squared_distances
from kerasmeta.ops.absent_classes import present_classes
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class FEAT(EmbeddingLearner):
    """FEAT: prototypes that are adapted to the other classes of the task.

    Use it with a good backbone, as the paper does with a pre-trained one: which
    features tell a class apart depends on what it is to be told apart from.
    With `f` the backbone, `c_n` the mean of `f(x)` over the support examples of
    class `n` and `A` a transformer block, `km.layers.SetAttention`,

    `p_1, ..., p_N = A(c_1, ..., c_N)`,
    `logits_n = -||f(query) - p_n||^2 / temperature`

    In training, `contrastive_weight` times another loss is added. It adapts all
    examples `X_n` of a class, of support and query set, to each other, and
    compares each with the mean of every class,

    `m_n = mean of A(X_n)`, the crossentropy over `n` of
    `-||f(x) - m_n||^2 / contrastive_temperature`, in the mean over all `x`

    Compile it with `SparseCategoricalCrossentropy(from_logits=True)`. The
    defaults are those of the paper's code for a ResNet-12 and 5 shots; with
    short embeddings, or a backbone that is not trained yet, begin with
    temperatures of 1.

    Reference: Ye, Hu, Zhan and Sha, 2020, "Few-Shot Learning via Embedding
    Adaptation with Set-to-Set Functions", arXiv:1812.03664.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        temperature: Positive number.
        contrastive_weight: Weight of the contrastive loss; 0 for none.
        contrastive_temperature: Positive number.
        dropout: Fraction of what the transformer adds to a prototype that is
            dropped in training.
        attention_dropout: Fraction of its attention that is.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model that returns
            embeddings of at least two numbers, or an argument is unsuitable.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.FEAT(backbone, temperature=1.0)
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

    def __init__(
        self,
        backbone,
        ways=None,
        temperature=64.0,
        contrastive_weight=0.1,
        contrastive_temperature=32.0,
        dropout=0.5,
        attention_dropout=0.1,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        self.temperature = check_positive_number("temperature", temperature)
        self.contrastive_weight = contrastive_weight
        if contrastive_weight != 0:
            check_positive_number("contrastive_weight", contrastive_weight)
        self.contrastive_temperature = check_positive_number(
            "contrastive_temperature", contrastive_temperature
        )
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.set_attention = SetAttention(
            dropout, attention_dropout, dtype=self.variable_dtype
        )
        self.set_attention.build((None, None, embedding_size(backbone)))

    def fit_head(self, embeddings, labels, ways, mask=None, training=False):
        prototypes = class_prototypes(embeddings, labels, ways, mask)
        is_class = present_classes(labels, ways, mask)
        adapted = self.set_attention(
            prototypes, attention_mask=is_class[:, None], training=training
        )
        return {"prototypes": adapted}

    def apply_head(self, state, embeddings):
        distances = squared_distances(embeddings, state["prototypes"])
        return -distances / self.temperature

    def meta_loss(self, episodes, query_y, sample_weight=None, training=True):
        if training and self.contrastive_weight:
            _check_labels(query_y)
            # The contrastive loss is added where the embeddings are known.
            episodes = {**episodes, "query_y": query_y}
        return super().meta_loss(episodes, query_y, sample_weight, training)

    def _embed_all(self, episodes, training):
        support, query = super()._embed_all(episodes, training)
        if "query_y" in episodes:
            labels = [
                as_labels(episodes[name], rank=2)
                for name in ("support_y", "query_y")
            ]
            loss = self.contrastive_loss(
                tf.concat([support, query], axis=1),
                tf.concat(labels, axis=1),
                real_examples(episodes),
            )
            self.add_loss(self.contrastive_weight * loss)
        return support, query

    def contrastive_loss(self, embeddings, labels, mask=None):
        """Return the contrastive loss of training, without its weight.

        Args:
            embeddings: All examples of each task, `[T, M, D]`.
            labels: Their labels, integers `[T, M]`.
            mask: Optional `[T, M]`, true for the examples that count.
        """
        ways = self._count_ways(labels)
        if mask is None:
            mask = tf.ones(tf.shape(labels), "bool")
        mask &= labels >= 0  # The others belong to no class.
        is_same = labels[:, :, None] == labels[:, None]
        adapted = self.set_attention(
            embeddings, attention_mask=is_same & mask[:, None], training=True
        )
        centers = class_prototypes(adapted, labels, ways, mask)
        distances = squared_distances(embeddings, centers)
        logits = rule_out(
            -distances / self.contrastive_temperature,
            present_classes(labels, ways, mask)[:, None],
        )
        own = tf.one_hot(labels, ways, dtype=logits.dtype)
        losses = -tf.reduce_sum(own * tf.nn.log_softmax(logits), axis=-1)
        weights = tf.cast(mask, losses.dtype)
        totals = tf.reduce_sum(losses * weights, axis=1)
        return tf.reduce_mean(totals / tf.reduce_sum(weights, axis=1))

    def get_config(self):
        return {
            **super().get_config(),
            "temperature": self.temperature,
            "contrastive_weight": self.contrastive_weight,
            "contrastive_temperature": self.contrastive_temperature,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
        }


def _check_labels(query_y):
    shape = None if tf.nest.is_nested(query_y) else tuple(query_y.shape)
    if shape is None or len(shape) != 2 and shape[2:] != (1,):
        raise ValueError(
            "The contrastive loss needs labels [T, Q] of the queries; for "
            "one-hot ones, use `tf.argmax(y, -1)` or `contrastive_weight=0`. "
            f"Received: query_y={query_y}"
        )
