"""A transformer that learns in its context."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.layers.in_context_block import InContextBlock
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops.class_members import class_members
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class InContextTransformer(EmbeddingLearner):
    """A transformer that learns a task by looking at its support set.

    Use it where tasks are many and what they share is not how near examples
    are: nothing but the order of the support examples is assumed not to matter,
    all else is learned. With `f` the backbone, `e_n` the one-hot label of class
    `n` and linear `A`, `B`, the tokens are

    `A f(x_s) + B e_{y_s}` for support examples, `A f(x_q)` for queries

    and pass through `blocks` blocks, `km.layers.InContextBlock`. Support
    examples look at the support set; each query, too, and never at another
    query. The logits are linear in the normalized token of the query. What
    `adapt` returns are the keys and values of all blocks, so that a query costs
    the same whatever the others.

    The numbers of the classes mean nothing, but the network has to learn that:
    episodes number their classes at random, and renaming them changes
    predictions a little. A class number that no training episode had is
    unknown to it, so train with as many ways as are needed later.

    Reference: Garg, Tsipras, Liang and Valiant, 2022, "What Can Transformers
    Learn In-Context?", arXiv:2208.01066; Müller, Hollmann, Pineda Arango,
    Grabocka and Hutter, 2022, "Transformers Can Do Bayesian Inference",
    arXiv:2112.10510, from where the attention of queries is.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or the most of them.
        blocks: Number of blocks.
        width: Width of the tokens, a multiple of `heads`.
        heads: Number of heads of the attention.
        hidden_units: Number of units of the hidden layer of a block.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model that returns
            embeddings or an argument is unsuitable.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.InContextTransformer(backbone, ways=5)
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
        ways,
        blocks=2,
        width=64,
        heads=4,
        hidden_units=256,
        **kwargs,
    ):
        super().__init__(
            backbone, check_positive_int("ways", ways, 2), **kwargs
        )
        self.width = check_positive_int("width", width)
        self.heads = heads
        self.hidden_units = hidden_units
        dtype = self.variable_dtype
        self.example_token = layers.Dense(
            width, dtype=dtype, name="example_token"
        )
        self.example_token.build((None, None, embedding_size(backbone)))
        self.label_token = layers.Dense(
            width, use_bias=False, dtype=dtype, name="label_token"
        )
        self.label_token.build((None, None, self.ways))
        self.blocks = [
            InContextBlock(heads, hidden_units, dtype=dtype, name=f"block_{i}")
            for i in range(check_positive_int("blocks", blocks))
        ]
        for block in self.blocks:
            block.build((None, None, self.width))
        self.norm = layers.LayerNormalization(dtype=dtype, name="norm")
        self.norm.build((None, None, self.width))
        self.logits = layers.Dense(self.ways, dtype=dtype, name="logits")
        self.logits.build((None, None, self.width))

    def fit_head(self, embeddings, labels, ways, mask=None):
        is_real = (
            tf.ones(tf.shape(labels), "bool")
            if mask is None
            else tf.cast(mask, "bool")
        )
        tokens = self.example_token(embeddings) + self.label_token(
            class_members(labels, ways, mask, embeddings.dtype)
        )
        memories = []
        for block in self.blocks:
            memories.append(block.remember(tokens))
            tokens = block(tokens, memories[-1], context_mask=is_real)
        return {"memories": memories, "is_real": is_real}

    def apply_head(self, state, embeddings):
        tokens = self.example_token(embeddings)
        for block, memory in zip(self.blocks, state["memories"]):
            tokens = block(tokens, memory, context_mask=state["is_real"])
        return self.logits(self.norm(tokens))

    def get_config(self):
        return {
            **super().get_config(),
            "blocks": len(self.blocks),
            "width": self.width,
            "heads": self.heads,
            "hidden_units": self.hidden_units,
        }
