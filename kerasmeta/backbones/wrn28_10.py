"""The wide residual network of the few-shot papers."""

import keras
from keras import layers

from kerasmeta.backbones.images import check_image_shape
from kerasmeta.utils import check_fraction
from kerasmeta.utils import check_positive_int


def wrn28_10(
    input_shape, num_classes=None, width=10, drop_rate=0.0, name="wrn28_10"
):
    """Return the wide residual network of 28 layers, ten times as wide.

    The largest of the usual backbones, with 36.5 million parameters; LEO,
    SimpleShot and PT-MAP report it. After a first convolution there are three
    groups of four blocks, with `16 * width`, `32 * width` and `64 * width`
    filters. A block is BatchNormalization, ReLU and a 3x3 convolution, twice,
    around which there is a short cut; the second and third group begin with
    strides of two. Features are averaged over positions.

    Reference: Zagoruyko and Komodakis, 2016, "Wide Residual Networks",
    arXiv:1605.07146.

    Args:
        input_shape: `(height, width, channels)`, 16 pixels or more each way.
        num_classes: Width of the head, or `None` for no head.
        width: By how much it is wider than a usual residual network.
        drop_rate: Share of features that are dropped in training between the
            two convolutions of a block, in [0, 1).
        name: Name of the model.

    Returns:
        A built functional `keras.Model`.

    Raises:
        ValueError: If `input_shape` is not three numbers or too small,
            `width` no positive integer, or `drop_rate` not in [0, 1).

    Example:

    >>> km.backbones.wrn28_10((32, 32, 3), width=1).output_shape
    (None, 64)
    """
    check_positive_int("width", width)
    check_fraction("drop_rate", drop_rate)
    inputs = keras.Input(check_image_shape(input_shape))
    x = _conv(inputs, 16, 3, 1, "stem")
    for group, (filters, strides) in enumerate(
        [(16 * width, 1), (32 * width, 2), (64 * width, 2)], 1
    ):
        for block in range(1, 5):
            x = _block(
                x,
                filters,
                strides if block == 1 else 1,
                drop_rate,
                f"group{group}_block{block}",
            )
    x = _norm_relu(x, "last")
    x = layers.GlobalAveragePooling2D(name="average")(x)
    if num_classes is not None:
        x = layers.Dense(num_classes, name="head")(x)
    return keras.Model(inputs, x, name=name)


def _block(x, filters, strides, drop_rate, name):
    """Return two convolutions and a short cut around them."""
    widens = x.shape[-1] != filters
    activated = _norm_relu(x, f"{name}_1")
    # Where the width changes, the short cut begins after the activation.
    shortcut = x
    if widens:
        shortcut = _conv(activated, filters, 1, strides, f"{name}_shortcut")
    x = _conv(activated, filters, 3, strides, f"{name}_1")
    x = _norm_relu(x, f"{name}_2")
    x = layers.Dropout(drop_rate, name=f"{name}_drop")(x)
    x = _conv(x, filters, 3, 1, f"{name}_2")
    return layers.Add(name=f"{name}_add")([x, shortcut])


def _conv(x, filters, size, strides, name):
    return layers.Conv2D(
        filters,
        size,
        strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)


def _norm_relu(x, name):
    x = layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, name=f"{name}_norm"
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x)
