"""A transformer block whose tokens look at a context only."""

import keras
from keras import layers

from kerasmeta.ops.attend import attend
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class InContextBlock(keras.layers.Layer):
    """Lets tokens look at a context, and not at each other.

    Use it where a support set is read once and queries look at it one by one:
    `remember` returns what there is to look at, and calling the block on
    tokens and such a memory lets each of them look. A support set looks at
    itself, a query never at another. There are no positions. With layer
    normalization `n`, `n'` and linear `q`, `k`, `v`, `o`, in several heads,

    `k_s, v_s = k(n(c_s)), v(n(c_s))` for each member `c_s` of the context,
    `y = x + o(sum_s softmax_s(q(n(x)) . k_s / sqrt(D / heads)) v_s)`,
    `z = y + W_2 relu(W_1 n'(y))`

    `k` begins equal to `q`, so that tokens look at what is like them.

    Reference: Vaswani et al., 2017, "Attention Is All You Need",
    arXiv:1706.03762; normalization comes first, as in Xiong et al., 2020, "On
    Layer Normalization in the Transformer Architecture", arXiv:2002.04745.

    Args:
        heads: Number of heads, a divisor of the width of the tokens.
        hidden_units: Number of units of `W_1`.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on tokens `[T, Q, D]` and a memory, and maybe with `context_mask=`,
    bool `[T, S]`, true for the members of the context that count.

    Raises:
        ValueError: If an argument is not positive, or the width of the tokens
            is no multiple of `heads`.

    Example:

    >>> block = km.layers.InContextBlock(heads=2, hidden_units=16)
    >>> block.build((None, None, 8))
    >>> memory = block.remember(tf.ones((2, 5, 8)))
    >>> block(tf.ones((2, 3, 8)), memory).shape
    TensorShape([2, 3, 8])
    """

    def __init__(self, heads=4, hidden_units=256, **kwargs):
        super().__init__(**kwargs)
        self.heads = check_positive_int("heads", heads)
        self.hidden_units = check_positive_int("hidden_units", hidden_units)

    def build(self, input_shape):
        size, dtype = input_shape[-1], self.dtype_policy
        if size % self.heads:
            raise ValueError(
                "The width of the tokens must be a multiple of `heads`. "
                f"Received: heads={self.heads}, tokens of width {size}"
            )
        self.norm = layers.LayerNormalization(dtype=dtype, name="norm")
        # One initializer gives equal kernels, so that tokens begin to look at
        # those like them: without it, training on Omniglot spent its first 100
        # to 200 steps near chance.
        alike = keras.initializers.GlorotUniform()
        self.query, self.key = (
            layers.Dense(
                size,
                use_bias=False,
                kernel_initializer=alike,
                dtype=dtype,
                name=name,
            )
            for name in ("query", "key")
        )
        self.value = layers.Dense(
            size, use_bias=False, dtype=dtype, name="value"
        )
        self.mix = layers.Dense(size, dtype=dtype, name="mix")
        self.hidden_norm = layers.LayerNormalization(
            dtype=dtype, name="hidden_norm"
        )
        self.hidden = layers.Dense(
            self.hidden_units, "relu", dtype=dtype, name="hidden"
        )
        self.output_layer = layers.Dense(size, dtype=dtype, name="output")
        for layer in (self.norm, self.query, self.key, self.value, self.mix):
            layer.build(input_shape)
        self.hidden_norm.build(input_shape)
        self.hidden.build(input_shape)
        self.output_layer.build((*input_shape[:-1], self.hidden_units))

    def remember(self, context):
        """Return what tokens look at, for a context `[T, S, D]`."""
        context = self.norm(context)
        return {"keys": self.key(context), "values": self.value(context)}

    def call(self, tokens, memory, context_mask=None):
        seen = attend(
            self.query(self.norm(tokens)),
            memory["keys"],
            memory["values"],
            None if context_mask is None else context_mask[:, None],
            self.heads,
        )
        tokens += self.mix(seen)
        hidden = self.hidden(self.hidden_norm(tokens))
        return tokens + self.output_layer(hidden)

    def get_config(self):
        return {
            **super().get_config(),
            "heads": self.heads,
            "hidden_units": self.hidden_units,
        }
