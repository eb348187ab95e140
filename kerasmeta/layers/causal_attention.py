"""Attention to what came before."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.ops.attend import attend
from kerasmeta.ops.zero_padding import zero_padding
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class CausalAttention(keras.layers.Layer):
    """Appends to each member of a sequence what it finds in those before it.

    What `SNAIL` looks up its support set with. With linear `q`, `k`, `v`,

    `y_t = [x_t, sum_{s <= t} softmax_s(q(x_t) . k(x_s) / sqrt(K)) v(x_s)]`

    A sequence is read once, by calling the layer; then `extend` gives what
    each of several examples would get as the next one, without seeing the
    others, from what `remember` returns.

    Reference: Mishra, Rohaninejad, Chen and Abbeel, 2018, "A Simple Neural
    Attentive Meta-Learner", arXiv:1707.03141.

    Args:
        key_size: Width of keys, `K`.
        value_size: Width of values.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on sequences `[T, S, C]`, and maybe with `sequence_mask=`, bool
    `[T, S]`, true for the members that count.

    Raises:
        ValueError: If a size is not positive.

    Example:

    >>> layer = km.layers.CausalAttention(key_size=4, value_size=2)
    >>> layer(tf.ones((2, 5, 8))).shape
    TensorShape([2, 5, 10])
    """

    def __init__(self, key_size, value_size, **kwargs):
        super().__init__(**kwargs)
        self.key_size = check_positive_int("key_size", key_size)
        self.value_size = check_positive_int("value_size", value_size)

    def build(self, input_shape):
        dtype = self.dtype_policy
        self.query = layers.Dense(self.key_size, dtype=dtype, name="query")
        self.key = layers.Dense(self.key_size, dtype=dtype, name="key")
        self.value = layers.Dense(self.value_size, dtype=dtype, name="value")
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)

    def call(self, sequence, sequence_mask=None):
        sequence = zero_padding(sequence, sequence_mask)
        memory = self.remember(sequence, sequence_mask)
        steps = tf.range(tf.shape(sequence)[1])
        is_past = (steps[:, None] > steps)[None]
        is_self = (steps[:, None] == steps)[None]
        # Padding sees itself, so that there is something to see.
        visible = is_self | (is_past & memory["is_real"][:, None])
        reads = attend(
            self.query(sequence), memory["keys"], memory["values"], visible
        )
        return tf.concat([sequence, reads], axis=-1)

    def remember(self, sequence, sequence_mask=None):
        """Return what `extend` looks at, for a sequence as in a call."""
        sequence = zero_padding(sequence, sequence_mask)
        if sequence_mask is None:
            sequence_mask = tf.ones(tf.shape(sequence)[:2], "bool")
        return {
            "keys": self.key(sequence),
            "values": self.value(sequence),
            "is_real": sequence_mask,
        }

    def extend(self, examples, memory):
        """Return what each example would get as the next of its sequence.

        Args:
            examples: `[T, Q, C]`.
            memory: What `remember` returned.
        """
        examples = tf.cast(examples, self.compute_dtype)
        own, query = self.remember(examples), self.query(examples)
        past = tf.matmul(query, memory["keys"], transpose_b=True)
        past = tf.where(memory["is_real"][:, None], past, past.dtype.min)
        # Of no other query: not even zero times what it holds.
        itself = tf.reduce_sum(query * own["keys"], axis=-1, keepdims=True)
        scores = tf.concat([past, itself], axis=-1) / self.key_size**0.5
        shares = tf.nn.softmax(scores)
        reads = tf.matmul(shares[..., :-1], memory["values"])
        reads += shares[..., -1:] * own["values"]
        return tf.concat([examples, reads], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.value_size)

    def get_config(self):
        return {
            **super().get_config(),
            "key_size": self.key_size,
            "value_size": self.value_size,
        }
