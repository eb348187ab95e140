"""A weighted mean over the tokens of a text, with learned weights."""

import keras

from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class AttentionPooling(keras.layers.Layer):
    """Mean over time steps, of which some count more than others.

    Use it in place of `MaskedMean` where a few words of many decide. With
    learned `W`, `b` and `v`, over the steps that the mask keeps,

    `a_t = softmax over t of v . tanh(W x_t + b)`, `y = sum of a_t x_t`

    and zero where the mask keeps nothing. It begins as the plain mean, with a
    `v` of zeros.

    Reference: Lin, Feng, dos Santos, Yu, Xiang, Zhou and Bengio, 2017, "A
    Structured Self-attentive Sentence Embedding", arXiv:1703.03130, with one
    row of attention.

    Args:
        units: Number of hidden units of the scores, or `None` for as many as
            there are channels.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on `[n, time, channels]`; Keras hands it the mask, `[n, time]`.

    Raises:
        ValueError: If `units` is not a positive integer.

    Example:

    >>> layer = km.layers.AttentionPooling(units=8)
    >>> layer(np.ones((2, 5, 4)), mask=np.ones((2, 5), bool)).shape
    TensorShape([2, 4])
    """

    def __init__(self, units=None, **kwargs):
        super().__init__(**kwargs)
        self.units = (
            None if units is None else check_positive_int("units", units)
        )
        self.supports_masking = True

    def build(self, input_shape):
        size = input_shape[-1]
        units = self.units or size
        self.hidden = keras.layers.Dense(
            units, "tanh", dtype=self.dtype_policy, name="hidden"
        )
        self.hidden.build((None, None, size))
        self.score = keras.layers.Dense(
            1,
            use_bias=False,
            kernel_initializer="zeros",
            dtype=self.dtype_policy,
            name="score",
        )
        self.score.build((None, None, units))

    def call(self, inputs, mask=None):
        if mask is not None:
            keeps = keras.ops.cast(mask, "bool")[..., None]
            # Padding may hold anything, and zero times NaN is not zero.
            inputs = keras.ops.where(keeps, inputs, 0.0)
        scores = self.score(self.hidden(inputs))  # (n, time, 1)
        # Their difference is what counts, which half precision would lose.
        scores = keras.ops.cast(scores, "float32")
        if mask is not None:
            scores = keras.ops.where(keeps, scores, -1e9)
        weights = keras.ops.softmax(scores, axis=1)
        if mask is not None:
            weights = keras.ops.where(keeps, weights, 0.0)
        weights = keras.ops.cast(weights, inputs.dtype)
        return keras.ops.sum(inputs * weights, axis=1)

    def compute_mask(self, inputs, mask=None):
        # The mask of the time steps does not fit what is left of them.
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *input_shape[2:])

    def get_config(self):
        return {**super().get_config(), "units": self.units}
