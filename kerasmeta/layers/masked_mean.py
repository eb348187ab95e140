"""The mean over the tokens of a text, without padding."""

import keras


@keras.saving.register_keras_serializable(package="kerasmeta")
class MaskedMean(keras.layers.Layer):
    """Mean over the time steps that a mask keeps.

    Use it after `keras.layers.Embedding(mask_zero=True)`. With `m` the mask,

    `y = sum of m_t x_t / sum of m_t`, and zero where the mask keeps nothing

    where `keras.layers.GlobalAveragePooling1D` would return NaN, for a text of
    which no word is left, and spoil the whole meta-batch.

    Call it on `[n, time, channels]`; Keras hands it the mask, `[n, time]`.

    Example:

    >>> x = np.array([[[2.0], [4.0], [9.0]]])
    >>> mask = np.array([[True, True, False]])
    >>> km.layers.MaskedMean()(x, mask=mask).numpy()
    array([[3.]], dtype=float32)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        if mask is None:
            return keras.ops.mean(inputs, axis=1)
        weights = keras.ops.cast(mask, inputs.dtype)[..., None]
        count = keras.ops.maximum(keras.ops.sum(weights, axis=1), 1)
        # Chosen, for padding may hold anything, and divided before they are
        # summed: sums overflow in half precision.
        kept = keras.ops.where(weights > 0, inputs / count[:, None], 0.0)
        return keras.ops.sum(kept, axis=1)

    def compute_mask(self, inputs, mask=None):
        # The mask of the time steps does not fit what is left of them.
        return None

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *input_shape[2:])
