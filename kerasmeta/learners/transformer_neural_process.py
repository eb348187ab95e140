"""Transformer neural processes with diagonal predictions."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.backbones import mlp
from kerasmeta.layers.cross_attention import CrossAttention
from kerasmeta.learners.neural_process_learner import NeuralProcessLearner
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class TransformerNeuralProcess(NeuralProcessLearner):
    """TNP-D: points and queries are tokens of a transformer.

    Use it where predictions depend on many points at once. A token
    is an encoded pair, `(x_i, y_i)` of a point and `(x, 0)` of a query, and in
    each of the blocks every token `t` looks at the points `p_j`,

    `u = LayerNorm(t + A(t; p_1, ..., p_S))`,
    `t' = LayerNorm(u + W relu(V u))`

    A query sees no query, not even itself but for `t`, so that predictions are
    independent, and the order of points does not matter. There are no
    positions. The state has the points' tokens before each block: it takes
    time in proportion to the square of their number to adapt, and in proportion
    to it for a query.

    Scale features and targets to about unit size. The defaults are those of
    the paper's curves.

    Reference: Nguyen and Grover, 2022, "Transformer Neural Processes:
    Uncertainty-Aware Meta Learning Via Sequence Modeling", arXiv:2207.04179.

    Args:
        input_size: Number of features of an example, `D`.
        target_size: Number of targets of an example, `K`.
        width: Length of a token; a block has twice as many hidden units.
        blocks: Number of blocks.
        heads: Number of heads of the attention, a divisor of `width`.
        minimum_scale: Positive number, below which no predicted standard
            deviation falls, in the unit of the targets. The authors' code has
            none by default, and an exponential in place of the softplus.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If an argument is not a positive number, or `heads` is no
            divisor of `width`.

    Example:

    >>> learner = km.learners.TransformerNeuralProcess(width=16, blocks=2)
    >>> state = learner.adapt(tf.constant([[0.0]]), tf.constant([[0.8]]))
    >>> predicted = learner.predict_query(state, tf.constant([[0.5], [2.0]]))
    >>> mean, scale = km.ops.split_gaussian(predicted)
    >>> mean.shape, scale.shape
    (TensorShape([2, 1]), TensorShape([2, 1]))
    """

    def __init__(
        self,
        input_size=1,
        target_size=1,
        width=64,
        blocks=6,
        heads=4,
        minimum_scale=0.01,
        **kwargs,
    ):
        super().__init__(input_size, target_size, minimum_scale, **kwargs)
        self.width = check_positive_int("width", width)
        self.heads = check_positive_int("heads", heads)
        self.embedder = mlp(
            (None, input_size + target_size), width, [width] * 3, "embedder"
        )
        self.blocks = [
            _Block(heads, dtype=self.dtype_policy, name=f"block_{i}")
            for i in range(check_positive_int("blocks", blocks))
        ]
        for block in self.blocks:
            block.build((None, None, width))
        self.predictor = mlp(
            (None, width), 2 * target_size, [2 * width], "predictor"
        )

    def encode(self, x, y, mask):
        points, tokens = self._embed(x, y), []
        for block in self.blocks:
            tokens.append(points)
            # What points come to after the last block, nobody sees.
            if len(tokens) < len(self.blocks):
                points = block(points, points, mask)
        return {"tokens": tf.stack(tokens, axis=1), "mask": mask}

    def decode(self, state, query_x):
        shape = [*tf.unstack(tf.shape(query_x)[:2]), self.target_size]
        queries = self._embed(query_x, tf.zeros(shape, query_x.dtype))
        for i, block in enumerate(self.blocks):
            queries = block(queries, state["tokens"][:, i], state["mask"])
        return self.gaussian(self.predictor(queries))

    def _embed(self, x, y):
        tokens = self.embedder(tf.concat([x, y], axis=-1))
        return tf.cast(tokens, self.variable_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "blocks": len(self.blocks),
            "heads": self.heads,
        }


class _Block(layers.Layer):
    """What a token learns of points: `[T, Q, W]` to `[T, Q, W]`."""

    def __init__(self, heads, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads

    def build(self, tokens_shape, points_shape=None, mask_shape=None):
        size, dtype = tokens_shape[-1], self.dtype_policy
        self.attention = CrossAttention(self.heads, use_bias=True, dtype=dtype)
        self.attention.build(*[tokens_shape] * 3)
        self.hidden = layers.Dense(2 * size, "relu", dtype=dtype)
        self.hidden.build(tokens_shape)
        self.mix = layers.Dense(size, dtype=dtype)
        self.mix.build((None, None, 2 * size))
        self.norms = [
            layers.LayerNormalization(epsilon=1e-5, dtype=dtype)
            for _ in range(2)
        ]
        for norm in self.norms:
            norm.build(tokens_shape)

    def call(self, tokens, points, mask):
        seen = self.attention(tokens, points, points, mask)
        tokens = self.norms[0](tokens + seen)
        return self.norms[1](tokens + self.mix(self.hidden(tokens)))
