"""A simple neural attentive meta-learner."""

import math

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.layers.causal_attention import CausalAttention
from kerasmeta.layers.labelled_examples import LabelledExamples
from kerasmeta.layers.temporal_convolution import TemporalConvolution
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops.class_members import class_members
from kerasmeta.ops.padding_first import padding_first
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class SNAIL(EmbeddingLearner):
    """SNAIL: temporal convolutions and causal attention over the support set.

    Use it where support examples come in an order that matters, or to compare
    with: a sequence is gathered by convolutions over time and looked up by
    attention. With `f` the backbone and `e_n` the one-hot label of class `n`,
    it reads

    `[f(x_1), e_{y_1}], ..., [f(x_S), e_{y_S}], [f(query), 0]`

    through an attention, convolutions, an attention, convolutions and an
    attention, each of which appends to its input what it found
    (`km.layers.CausalAttention`, `km.layers.TemporalConvolution`); the logits
    are linear in the last member. Nothing looks ahead, so the support set is
    read once, and each query is the next member of its own sequence: **queries
    do not see each other, and the order of the support set matters**.
    Embeddings are normalized, and labels as long as they are
    (`km.layers.LabelledExamples`).

    There are `ceil(log2(support_size + 1))` convolutions in a row, with
    dilations 1, 2, 4, ..., so that the last member is reached by all. (The
    paper's pseudocode begins at 2, where odd distances are not reached.)
    Larger support sets work, but are not reached as a whole by convolutions.
    The defaults are the paper's.

    Labels are one-hots whose meaning is learned: train with as many ways as
    are needed later.

    Reference: Mishra, Rohaninejad, Chen and Abbeel, 2018, "A Simple Neural
    Attentive Meta-Learner", arXiv:1707.03141.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or the most of them.
        support_size: Number of support examples of a task, or the most.
        filters: Number of channels that a convolution appends.
        key_sizes: Widths of the keys of the three attentions; their values are
            half as wide.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model that returns
            embeddings or an argument is unsuitable.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.SNAIL(backbone, ways=5, support_size=5)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> x, _ = next(iter(episodes))
    >>> state = learner.adapt(x["support_x"][0], x["support_y"][0])
    >>> learner.predict_query(state, x["query_x"][0]).shape
    TensorShape([15, 5])
    """

    def __init__(
        self,
        backbone,
        ways,
        support_size,
        filters=128,
        key_sizes=(64, 256, 512),
        **kwargs,
    ):
        super().__init__(
            backbone, check_positive_int("ways", ways, 2), **kwargs
        )
        self.support_size = check_positive_int("support_size", support_size)
        self.filters = filters
        self.key_sizes = _check_key_sizes(key_sizes)
        self.blocks = self._make_blocks()
        self.examples = LabelledExamples(
            self.ways, dtype=self.variable_dtype, name="examples"
        )
        shape = (None, None, embedding_size(backbone))
        self.examples.build(shape)
        shape = self.examples.compute_output_shape(shape)
        for block in self.blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        self.logits = layers.Dense(
            self.ways, dtype=self.variable_dtype, name="logits"
        )
        self.logits.build(shape)

    def _make_blocks(self):
        dtype = self.variable_dtype
        dilations = [
            2**i for i in range(math.ceil(math.log2(self.support_size + 1)))
        ]
        blocks = []
        for key_size in self.key_sizes:
            if blocks:
                blocks += [
                    TemporalConvolution(self.filters, dilation, dtype=dtype)
                    for dilation in dilations
                ]
            blocks.append(CausalAttention(key_size, key_size // 2, dtype=dtype))
        return blocks

    def fit_head(self, embeddings, labels, ways, mask=None):
        if mask is not None:
            # Each query comes right after the last example that counts.
            [embeddings, labels], mask = padding_first(
                [embeddings, labels], mask
            )
        targets = class_members(labels, ways, dtype=embeddings.dtype)
        sequence, memories = self.examples(embeddings, targets), []
        for block in self.blocks:
            memories.append(block.remember(sequence, mask))
            sequence = block(sequence, sequence_mask=mask)
        return memories

    def apply_head(self, state, embeddings):
        shape = tf.concat([tf.shape(embeddings)[:2], [self.ways]], axis=0)
        examples = self.examples(embeddings, tf.zeros(shape, embeddings.dtype))
        for block, memory in zip(self.blocks, state):
            examples = block.extend(examples, memory)
        return self.logits(examples)

    def get_config(self):
        return {
            **super().get_config(),
            "support_size": self.support_size,
            "filters": self.filters,
            "key_sizes": self.key_sizes,
        }


def _check_key_sizes(key_sizes):
    is_listed = isinstance(key_sizes, (list, tuple)) and len(key_sizes) == 3
    if not is_listed:
        raise ValueError(
            "`key_sizes` must be three integers, one for each attention. "
            f"Received: key_sizes={key_sizes!r}"
        )
    return [check_positive_int("key_sizes", size, 2) for size in key_sizes]
