"""What networks for images share."""

import numpy as np
from keras import layers


def check_image_shape(input_shape):
    """Return the shape of an image as a tuple, or say what is wrong with it."""
    is_shape = np.shape(input_shape) == (3,) and None not in input_shape
    if not is_shape or min(input_shape[:2]) < 16:
        raise ValueError(
            "`input_shape` must be (height, width, channels) with at least 16 "
            "pixels each way. Resize smaller images: see "
            f"`keras.layers.Resizing`. Received: input_shape={input_shape}"
        )
    return tuple(input_shape)


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
