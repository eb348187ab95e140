"""Self-attention of the members of a set."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.utils import check_can_be_normalized
from kerasmeta.utils import check_fraction


@keras.saving.register_keras_serializable(package="kerasmeta")
class SetAttention(keras.layers.Layer):
    """Lets the members of a set see each other: a transformer block of a head.

    Use it to adapt embeddings, such as the prototypes of a task, to the others
    of their set. It has no positions: permuting the members permutes its
    outputs. With linear `q`, `k`, `v` without, and `o` with biases,

    `a_ij = softmax_j(q(x_i) . k(x_j) / sqrt(D))`,
    `y_i = LayerNorm(x_i + o(sum_j a_ij v(x_j)))`

    with dropout of the attention `a` and of the outputs of `o`.

    Reference: Ye, Hu, Zhan and Sha, 2020, "Few-Shot Learning via Embedding
    Adaptation with Set-to-Set Functions", arXiv:1812.03664.

    Args:
        dropout: Fraction of the outputs that is dropped in training.
        attention_dropout: Fraction of the attention that is.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on sets `[T, M, D]`, and maybe with `attention_mask=`, bool that
    broadcasts to `[T, M, M]`, true where the first may see the second.

    Raises:
        ValueError: If a fraction is not in `[0, 1)`, or members are one number.

    Example:

    >>> layer = km.layers.SetAttention()
    >>> layer(np.ones((2, 5, 8))).shape
    TensorShape([2, 5, 8])
    """

    def __init__(self, dropout=0.5, attention_dropout=0.1, **kwargs):
        super().__init__(**kwargs)
        self.dropout = check_fraction("dropout", dropout)
        self.attention_dropout = check_fraction(
            "attention_dropout", attention_dropout
        )

    def build(self, input_shape):
        size, dtype = input_shape[-1], self.dtype_policy
        check_can_be_normalized(size)
        self.query, self.key, self.value = (
            layers.Dense(
                size,
                use_bias=False,
                kernel_initializer=keras.initializers.RandomNormal(
                    0.0, size**-0.5
                ),
                dtype=dtype,
                name=name,
            )
            for name in ("query", "key", "value")
        )
        self.mix = layers.Dense(
            size, kernel_initializer="glorot_normal", dtype=dtype, name="mix"
        )
        self.norm = layers.LayerNormalization(
            epsilon=1e-5, dtype=dtype, name="norm"
        )
        for layer in (self.query, self.key, self.value, self.mix, self.norm):
            layer.build(input_shape)
        self.drop = layers.Dropout(self.dropout, dtype=dtype)
        self.drop_attention = layers.Dropout(
            self.attention_dropout, dtype=dtype
        )

    def call(self, members, attention_mask=None, training=False):
        scale = members.shape[-1] ** -0.5
        queries, keys = self.query(members) * scale, self.key(members)
        scores = tf.matmul(queries, keys, transpose_b=True)  # (T, M, M)
        if attention_mask is not None:
            scores = tf.where(attention_mask, scores, scores.dtype.min)
        attention = self.drop_attention(
            tf.nn.softmax(scores), training=training
        )
        seen = self.mix(tf.matmul(attention, self.value(members)))
        return self.norm(members + self.drop(seen, training=training))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
        }
