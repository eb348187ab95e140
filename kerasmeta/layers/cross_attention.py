"""Attention of queries to the members of a set."""

import keras
import tensorflow as tf

from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class CrossAttention(keras.layers.Layer):
    """Multi-head attention of queries to the real members of a set.

    Use it where sets are padded and may be empty: padding is not seen, and a
    query that sees nobody gets zeros. With linear `q`, `k` and `v` of `D /
    heads` units a head, and linear `o`,

    `a_ij = softmax over real j of q(query_i) . k(key_j) / sqrt(D / heads)`,
    `y_i = o(sum over j of a_ij v(value_j))`, of all heads together

    Reference: Vaswani et al., 2017, "Attention Is All You Need",
    arXiv:1706.03762.

    Args:
        heads: Number of heads, a divisor of the size `D` of the queries.
        use_bias: Whether the linear maps have biases.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on queries `[T, Q, D]`, keys `[T, S, E]`, values `[T, S, F]` and a
    bool mask `[T, S]`, true for the real members.

    Raises:
        ValueError: If `heads` is no positive integer, or no divisor of `D`.

    Example:

    >>> layer = km.layers.CrossAttention(heads=2)
    >>> members, mask = np.ones((3, 5, 8)), np.ones((3, 5), "bool")
    >>> layer(np.ones((3, 7, 8)), members, members, mask).shape
    TensorShape([3, 7, 8])
    """

    def __init__(self, heads=8, use_bias=False, **kwargs):
        super().__init__(**kwargs)
        self.heads = check_positive_int("heads", heads)
        self.use_bias = bool(use_bias)

    def build(self, queries_shape, keys_shape, values_shape, mask_shape=None):
        size = queries_shape[-1]
        if size % self.heads:
            raise ValueError(
                "`heads` must divide the size of the queries. "
                f"Received: heads={self.heads} for size {size}"
            )
        self.attention = keras.layers.MultiHeadAttention(
            self.heads,
            size // self.heads,
            use_bias=self.use_bias,
            dtype=self.dtype_policy,
            name="attention",
        )
        self.attention.build(queries_shape, values_shape, keys_shape)

    def call(self, queries, keys, values, mask):
        seen = self.attention(
            queries, values, keys, attention_mask=mask[:, None]
        )
        is_any = tf.reduce_any(mask, axis=1)[:, None, None]
        return tf.where(is_any, seen, tf.zeros_like(seen))

    def compute_output_shape(
        self, queries_shape, keys_shape, values_shape, mask_shape=None
    ):
        return queries_shape

    def get_config(self):
        return {
            **super().get_config(),
            "heads": self.heads,
            "use_bias": self.use_bias,
        }
