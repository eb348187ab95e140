"""A learned comparison of two embeddings."""

import keras
from keras import layers

from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class RelationModule(keras.layers.Layer):
    """Scores how well two things go together, from both in one tensor.

    What `RelationNetwork` compares with. Feature maps pass two blocks of a 3x3
    convolution, BatchNormalization, ReLU and 2x2 max pooling, vectors two
    blocks of a dense layer, BatchNormalization and ReLU; then a dense layer
    with ReLU, and one of a single unit. Its output is the logit of the score,
    `score = sigmoid(logit)`.

    Convolutions are padded, as in the paper's network for Omniglot.

    Reference: Sung, Yang, Zhang, Xiang, Torr and Hospedales, 2018, "Learning to
    Compare: Relation Network for Few-Shot Learning", arXiv:1711.06025.

    Args:
        filters: Number of filters, or units, of each block.
        hidden_units: Number of units of the dense layer.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on the two, concatenated along the last axis: `[n, height, width,
    2 C]`, 4 pixels or more each way, or `[n, 2 D]`.

    Raises:
        ValueError: If an argument is not positive, or it is called on anything
            else.

    Example:

    >>> layer = km.layers.RelationModule(filters=8)
    >>> layer(np.ones((3, 5, 5, 16))).shape, len(layer.trainable_weights)
    (TensorShape([3, 1]), 12)
    """

    def __init__(self, filters=64, hidden_units=8, **kwargs):
        super().__init__(**kwargs)
        self.filters = check_positive_int("filters", filters)
        self.hidden_units = check_positive_int("hidden_units", hidden_units)

    def build(self, input_shape):
        _check_shape(input_shape)
        dtype = self.dtype_policy
        block = self._maps_block if len(input_shape) == 4 else self._block
        self.scorer = keras.Sequential(
            [
                *block(dtype),
                *block(dtype),
                layers.Flatten(dtype=dtype),
                layers.Dense(self.hidden_units, "relu", dtype=dtype),
                layers.Dense(1, dtype=dtype),
            ],
            name="scorer",
        )
        self.scorer.build((None, *input_shape[1:]))

    def _maps_block(self, dtype):
        return [
            layers.Conv2D(self.filters, 3, padding="same", dtype=dtype),
            layers.BatchNormalization(dtype=dtype),
            layers.ReLU(dtype=dtype),
            layers.MaxPooling2D(dtype=dtype),
        ]

    def _block(self, dtype):
        return [
            layers.Dense(self.filters, dtype=dtype),
            layers.BatchNormalization(dtype=dtype),
            layers.ReLU(dtype=dtype),
        ]

    def call(self, pairs, training=False):
        return self.scorer(pairs, training=training)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "hidden_units": self.hidden_units,
        }


def _check_shape(shape):
    sizes = shape[1:]
    if None in sizes or len(sizes) not in (1, 3) or min(sizes[:-1] or [4]) < 4:
        raise ValueError(
            "`RelationModule` compares vectors [n, 2 D], or feature maps "
            "[n, height, width, 2 C] of at least 4 pixels each way, because it "
            "halves them twice. Embed with fewer poolings, or flatten. "
            f"Received: shape={tuple(shape)}"
        )
