"""A U-Net for sequences."""

import keras
import numpy as np
from keras import layers

from kerasmeta.utils import check_positive_int


def unet_1d(input_shape, num_outputs, width=32, levels=4, name="unet_1d"):
    """Return a convolutional network that sees a sequence at several scales.

    Down `levels` times, a convolution of stride 2 halves the length; up again,
    a convolution of what is below, stretched, beside what was on this level.
    All have 5 taps and ReLU; the output has the length of the input.

    Reference: Ronneberger, Fischer and Brox, 2015, "U-Net: Convolutional
    Networks for Biomedical Image Segmentation", arXiv:1505.04597.

    Args:
        input_shape: `(length, channels)`; the length must be a multiple of
            `2 ** levels`.
        num_outputs: Channels of the output.
        width: Channels of each convolution.
        levels: How often the length is halved.
        name: Name of the model.

    Returns:
        A built functional `keras.Model`.

    Raises:
        ValueError: If the length is no such multiple, or `width` or `levels`
            no positive integer.

    Example:

    >>> network = km.backbones.unet_1d((64, 2), 2, width=8, levels=3)
    >>> network.output_shape
    (None, 64, 2)
    """
    check_positive_int("levels", levels)
    check_positive_int("width", width)
    is_shape = np.shape(input_shape) == (2,) and None not in input_shape
    if not is_shape or input_shape[0] % 2**levels:
        raise ValueError(
            "`input_shape` must be (length, channels) with a length that is a "
            f"multiple of 2 ** levels = {2**levels}. Pad, or use fewer levels. "
            f"Received: input_shape={input_shape}"
        )

    def convolution(x, strides=1):
        return layers.Conv1D(
            width, 5, strides, padding="same", activation="relu"
        )(x)

    inputs = keras.Input(input_shape)
    x, above = convolution(inputs), []
    for _ in range(levels):
        above.append(x)
        x = convolution(x, strides=2)
    for skipped in reversed(above):
        x = layers.Concatenate()([layers.UpSampling1D(2)(x), skipped])
        x = convolution(x)
    outputs = layers.Dense(num_outputs, name="head")(x)
    return keras.Model(inputs, outputs, name=name)
