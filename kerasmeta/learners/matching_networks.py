"""Matching networks."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.layers.attention_lstm import AttentionLSTM
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops import cosine_similarities
from kerasmeta.ops.class_members import class_members
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class MatchingNetworks(EmbeddingLearner):
    """Matching networks: a nearest neighbour classifier with soft neighbours.

    Use it where a class has several modes that its mean would blur: every
    support example votes for its class, by how near it is. With `f` and `g` the
    embeddings of queries and support examples `x_i` of class `y_i`,

    `p_n = sum over y_i = n of softmax_i(cos(f(query), g(x_i)) / temperature)`,
    `logits_n = log p_n`

    The paper has no temperature. Without one, no example can have more than
    e^2 times the attention of another, however near it is, and training is
    slow. Chen et al. scale the cosines by 100.

    The backbone is both `f` and `g`. With `full_context_embeddings=True` they
    depend on the whole support set, too: `g` adds to the embedding of a support
    example what a bidirectional LSTM over the support set says of it, and `f`
    reads the support set `read_steps` times with `km.layers.AttentionLSTM`.
    The LSTM takes the support examples in the order in which they come, as in
    the paper, and **predictions then depend on that order**.

    Compile it with `SparseCategoricalCrossentropy(from_logits=True)`, which is
    the negative logarithm of `p`.

    Reference: Vinyals, Blundell, Lillicrap, Kavukcuoglu and Wierstra, 2016,
    "Matching Networks for One Shot Learning", arXiv:1606.04080; Chen, Liu,
    Kira, Wang and Huang, 2019, "A Closer Look at Few-shot Classification",
    arXiv:1904.04232.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        full_context_embeddings: Whether embeddings depend on the support set.
        read_steps: Number of reads of a query, `K` in the paper, which does
            not give it.
        temperature: Positive number, 0.025 or more, what cosines are divided
            by.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model that returns
            embeddings or an argument is unsuitable.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.MatchingNetworks(backbone)
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
        full_context_embeddings=False,
        read_steps=5,
        temperature=1.0,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        self.full_context_embeddings = full_context_embeddings
        self.read_steps = check_positive_int("read_steps", read_steps)
        self.temperature = check_positive_number("temperature", temperature)
        if temperature < 0.025:
            raise ValueError(
                "`temperature` must be 0.025 or more: with less, the attention "
                "to all but the nearest is too small for float32. "
                f"Received: temperature={temperature}"
            )
        if full_context_embeddings:
            self._add_context(embedding_size(backbone))

    def _add_context(self, size):
        dtype = self.variable_dtype
        self.support_context = layers.Bidirectional(
            # cuDNN takes padding at the end only; masks may have holes.
            layers.LSTM(
                size, return_sequences=True, use_cudnn=False, dtype=dtype
            ),
            merge_mode="sum",
            dtype=dtype,
            name="support_context",
        )
        self.support_context.build((None, None, size))
        self.query_context = AttentionLSTM(
            self.read_steps, dtype=dtype, name="query_context"
        )
        self.query_context.build([(None, None, size)] * 2)

    def fit_head(self, embeddings, labels, ways, mask=None):
        members = class_members(labels, ways, mask, embeddings.dtype)
        if self.full_context_embeddings:
            embeddings += self.support_context(embeddings, mask=mask)
        return {"embeddings": embeddings, "members": members}

    def apply_head(self, state, embeddings):
        support, members = state["embeddings"], state["members"]
        if self.full_context_embeddings:
            is_real = tf.reduce_any(members > 0, axis=-1)
            embeddings = self.query_context(
                [embeddings, support], support_mask=is_real
            )
        cosines = cosine_similarities(embeddings, support)
        # Cosines are at most 1, so that no exponential overflows.
        weights = tf.exp((cosines - 1.0) / self.temperature)
        votes = tf.matmul(weights, members)  # (T, Q, N)
        total = tf.reduce_sum(votes, axis=-1, keepdims=True)
        # The base rules out the classes without a vote.
        return tf.math.log(tf.where(votes > 0, votes / total, 1.0))

    def get_config(self):
        return {
            **super().get_config(),
            "full_context_embeddings": self.full_context_embeddings,
            "read_steps": self.read_steps,
            "temperature": self.temperature,
        }
