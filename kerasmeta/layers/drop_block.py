"""Dropout of whole squares of a feature map."""

import keras

from kerasmeta.utils import check_fraction
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class DropBlock(keras.layers.Layer):
    """Drops squares of feature maps while training.

    Use it in place of dropout after convolutions: neighbouring positions say
    nearly the same, so that dropping one alone hides nothing. In each channel
    alone, each position at which a whole block fits is the corner of a dropped
    block with probability

    `gamma = rate / block^2 * height * width
             / ((height - block + 1) * (width - block + 1))`

    and what remains of an example is scaled up by the share that was dropped
    of it. Blocks are as large as the feature map where that is smaller than
    `block_size`. Outside of training it does nothing.

    The share is that of the example and not, as in the paper, that of the
    batch, so that examples of an episode do not depend on others or on padding.

    Reference: Ghiasi, Lin and Le, 2018, "DropBlock: A regularization method
    for convolutional networks", arXiv:1810.12890.

    Args:
        rate: About which share to drop, in [0, 1).
        block_size: Height and width of a block.
        seed: Seed of the random numbers, or `None`.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call it on `[n, height, width, channels]`, with a height and width that are
    known when it is built.

    Raises:
        ValueError: If `rate` is not in [0, 1), `block_size` is no positive
            integer or the input is no feature map of known size.

    Example:

    >>> layer = km.layers.DropBlock(rate=0.2, block_size=3)
    >>> images = np.ones((2, 10, 10, 4))
    >>> bool((layer(images, training=True) == 0).numpy().any())
    True
    >>> bool((layer(images) == 1).numpy().all())
    True
    """

    def __init__(self, rate, block_size=5, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = check_fraction("rate", rate)
        self.block_size = check_positive_int("block_size", block_size)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                "`DropBlock` must be called on feature maps [n, height, width, "
                "channels] of known size. Give the network an input of fixed "
                f"size. Received: input_shape={tuple(input_shape)}"
            )
        self._block = tuple(
            min(self.block_size, size) for size in input_shape[1:3]
        )
        super().build(input_shape)

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        # Counts of positions are too large for half precision.
        kept = self._draw_mask(inputs)
        share = keras.ops.mean(kept, axis=(1, 2, 3), keepdims=True)
        scaled = kept / keras.ops.maximum(share, keras.config.epsilon())
        return inputs * keras.ops.cast(scaled, inputs.dtype)

    def _draw_mask(self, inputs):
        """Return 1 where a position stays and 0 where a block covers it."""
        (rows, columns), (height, width) = self._block, inputs.shape[1:3]
        corners = (height - rows + 1, width - columns + 1)
        gamma = self.rate / (rows * columns) * height * width
        gamma /= corners[0] * corners[1]
        uniform = keras.random.uniform(
            (keras.ops.shape(inputs)[0], *corners, inputs.shape[-1]),
            dtype="float32",
            seed=self.seed_generator,
        )
        is_corner = keras.ops.cast(uniform < gamma, "float32")
        # Each position looks at the corners of all blocks that would cover it.
        margins = [[0, 0], [rows - 1] * 2, [columns - 1] * 2, [0, 0]]
        covered = keras.ops.max_pool(
            keras.ops.pad(is_corner, margins), self._block, strides=1
        )
        return 1 - covered

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "rate": self.rate,
            "block_size": self.block_size,
            "seed": self.seed,
        }
