"""Feature-wise linear modulation."""

import keras


@keras.saving.register_keras_serializable(package="kerasmeta")
class FiLM(keras.layers.Layer):
    """Scales and shifts features by what a context says.

    Use it to let a context, such as the one that `CAVIA` adapts, steer a
    network in the middle; after a convolution it moves whole channels. With
    one dense layer from the context to `scale` and `shift`, each `[n, C]`,

    `FiLM(features, context) = features * (1 + scale) + shift`

    so that a context of zeros leaves the features as they are, until the
    biases of the dense layer have learned something else.

    Reference: Perez, Strub, de Vries, Dumoulin and Courville, 2018, "FiLM:
    Visual Reasoning with a General Conditioning Layer", arXiv:1709.07871.

    Args:
        kernel_initializer: Initializer of the dense layer, as for
            `keras.layers.Dense`.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on `[features, context]`: features `[n, ..., C]`, channels last,
    and a context `[n, K]`.

    Raises:
        ValueError: If it is not called on such a pair.

    Example:

    >>> layer = km.layers.FiLM()
    >>> images, context = np.ones((2, 8, 8, 16)), np.zeros((2, 5))
    >>> layer([images, context]).shape
    TensorShape([2, 8, 8, 16])
    >>> [tuple(weight.shape) for weight in layer.weights]
    [(5, 32), (32,)]
    """

    def __init__(self, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        features, context = _check_shapes(input_shape)
        self.modulation = keras.layers.Dense(
            2 * features[-1],
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name="modulation",
        )
        self.modulation.build(context)

    def call(self, inputs):
        features, context = inputs
        scale, shift = [
            # One axis for each of the features', to move whole channels.
            keras.ops.reshape(
                half, [-1, *[1] * (features.ndim - 2), features.shape[-1]]
            )
            for half in keras.ops.split(self.modulation(context), 2, axis=-1)
        ]
        return features * (1 + scale) + shift

    def compute_output_shape(self, input_shape):
        return _check_shapes(input_shape)[0]

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }


def _check_shapes(input_shape):
    is_pair = len(input_shape) == 2 and all(
        isinstance(shape, (list, tuple)) for shape in input_shape
    )
    if (
        not is_pair
        or len(input_shape[0]) < 2
        or len(input_shape[1]) != 2
        or input_shape[0][-1] is None
    ):
        raise ValueError(
            "`FiLM` must be called on a pair `[features, context]`, features "
            "[n, ..., channels] and a context [n, size]. "
            f"Received: input_shape={input_shape}"
        )
    return input_shape
