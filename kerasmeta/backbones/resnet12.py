"""The residual network of twelve layers of the few-shot papers."""

import keras
from keras import layers

from kerasmeta.backbones.images import block_widths
from kerasmeta.backbones.images import check_image_shape
from kerasmeta.backbones.images import conv_and_norm
from kerasmeta.layers import DropBlock
from kerasmeta.utils import check_fraction


def resnet12(
    input_shape,
    num_classes=None,
    filters=(64, 160, 320, 640),
    drop_rate=0.1,
    block_size=5,
    name="resnet12",
):
    """Return the residual network of twelve layers of the few-shot papers.

    The usual backbone of embedding learners on natural images. Each of the four
    blocks has three 3x3 convolutions with BatchNormalization and leaky ReLUs of
    slope 0.1, a 1x1 convolution as a short cut, and 2x2 max pooling; features
    are averaged over positions. With `num_classes` it ends in logits, for
    pre-training; without, in the features.

    The first two blocks end in dropout and the last two in `DropBlock`, both
    of a constant `drop_rate` (MetaOptNet lets that of the blocks grow in its
    first 40,000 steps).

    Reference: Lee, Maji, Ravichandran and Soatto, 2019, "Meta-Learning with
    Differentiable Convex Optimization", arXiv:1904.03758; after Oreshkin,
    Rodriguez and Lacoste, 2018, "TADAM", arXiv:1805.10123.

    Args:
        input_shape: `(height, width, channels)`, 16 pixels or more each way;
            the papers' is `(84, 84, 3)`.
        num_classes: Width of the head, or `None` for no head.
        filters: Number of filters of each block: one for all, or a tuple of
            four.
        drop_rate: Share of features that are dropped in training, in [0, 1).
        block_size: Side of the squares that are dropped in the last blocks.
        name: Name of the model.

    Returns:
        A built functional `keras.Model`.

    Raises:
        ValueError: If `input_shape` is not three numbers or too small,
            `filters` neither a positive integer nor four of them,
            `block_size` no positive integer, or `drop_rate` not in [0, 1).

    Example:

    >>> network = km.backbones.resnet12((32, 32, 3), filters=(4, 8, 16, 32))
    >>> network.output_shape
    (None, 32)
    """
    check_fraction("drop_rate", drop_rate)
    inputs = keras.Input(check_image_shape(input_shape))
    x = inputs
    for block, width in enumerate(block_widths(filters), 1):
        x = _block(x, width, f"block{block}")
        if block <= 2:
            drop = layers.Dropout(drop_rate, name=f"block{block}_drop")
        else:
            drop = DropBlock(drop_rate, block_size, name=f"block{block}_drop")
        x = drop(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    if num_classes is not None:
        x = layers.Dense(num_classes, name="head")(x)
    return keras.Model(inputs, x, name=name)


def _block(x, width, name):
    """Return three convolutions and a short cut around them, pooled."""
    shortcut = conv_and_norm(x, width, 1, f"{name}_shortcut")
    for i in range(1, 4):
        x = conv_and_norm(x, width, 3, f"{name}_{i}")
        if i < 3:
            x = layers.LeakyReLU(0.1, name=f"{name}_{i}_relu")(x)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    x = layers.LeakyReLU(0.1, name=f"{name}_relu")(x)
    return layers.MaxPooling2D(name=f"{name}_pool")(x)
