"""What networks for images share."""

import numpy as np
from keras import layers

from kerasmeta.utils import check_positive_int


def check_image_shape(input_shape):
    """Return the shape of an image as a tuple, or say what is wrong with it."""
    is_shape = np.shape(input_shape) == (3,) and all(
        isinstance(size, (int, np.integer)) for size in input_shape
    )
    if not is_shape or min(input_shape[:2]) < 16 or input_shape[2] < 1:
        raise ValueError(
            "`input_shape` must be (height, width, channels) with at least 16 "
            "pixels each way. Resize smaller images: see "
            f"`keras.layers.Resizing`. Received: input_shape={input_shape}"
        )
    return tuple(input_shape)


def block_widths(filters):
    """Return the number of filters of each of four blocks."""
    is_tuple = isinstance(filters, (tuple, list))
    widths = tuple(filters) if is_tuple else (filters,) * 4
    if len(widths) != 4:
        raise ValueError(
            "`filters` must be one number for all four blocks, or four. "
            f"Received: filters={filters!r}"
        )
    return tuple(check_positive_int("filters", width) for width in widths)


def conv_and_norm(x, filters, size, name):
    """Return `x` after a convolution without bias and its normalization."""
    x = layers.Conv2D(
        filters,
        size,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    # PyTorch's momentum of 0.1 and epsilon, which the papers' networks have.
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}_norm"
    )(x)
