"""The four-block convolutional network of the few-shot papers."""

import keras
from keras import layers

from kerasmeta.backbones.images import block_widths
from kerasmeta.backbones.images import check_image_shape
from kerasmeta.layers import FiLM
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int


def conv4(
    input_shape,
    num_classes=None,
    filters=64,
    downsampling="max_pool",
    context_size=None,
    name="conv4",
):
    """Return the four-block convolutional network of the few-shot papers.

    Each block is a 3x3 convolution, BatchNormalization, ReLU and 2x2 max
    pooling. With `num_classes` it is a network for gradient learners and ends
    in logits; without, it is a backbone for embedding learners and ends in the
    features: flattened, or, with strides, averaged over positions.

    MAML's Omniglot network has strides of two in place of poolings, which
    cost a fourth of the arithmetic: `downsampling="stride"`.

    With `context_size` it takes a pair `[x, context]`, for `CNAPS`: after each
    normalization a `km.layers.FiLM` moves the channels by what the context
    says, at first hardly.

    The papers have 64 filters, or 32 for miniImageNet; R2D2's network has
    `(96, 192, 384, 512)`, besides Dropout and leaky ReLUs, which this has not.

    Reference: Vinyals et al., 2016, "Matching Networks for One Shot Learning",
    arXiv:1606.04080; with strides, Finn, Abbeel and Levine, 2017,
    arXiv:1703.03400, section 5.2.

    Args:
        input_shape: `(height, width, channels)`, 16 pixels or more each way.
        num_classes: Width of the head, or `None` for no head.
        filters: Number of filters of each block: one for all, or a tuple of
            four.
        downsampling: `"max_pool"` or `"stride"`.
        context_size: Length of the context, or `None` for none.
        name: Name of the model.

    Returns:
        A built functional `keras.Model`.

    Raises:
        ValueError: If `input_shape` is not three numbers or too small,
            `filters` neither a positive integer nor four of them, or
            `downsampling` is unknown.

    Example:

    >>> km.backbones.conv4((28, 28, 1)).output_shape
    (None, 64)
    >>> km.backbones.conv4((28, 28, 1), num_classes=5).count_params()
    112773
    >>> km.backbones.conv4((28, 28, 1), downsampling="stride").output_shape
    (None, 64)
    """
    check_choice("downsampling", downsampling, ("max_pool", "stride"))
    widths = block_widths(filters)
    x = inputs = keras.Input(check_image_shape(input_shape))
    if context_size is not None:
        context = keras.Input(
            (check_positive_int("context_size", context_size),)
        )
        inputs = [x, context]
    strides = 2 if downsampling == "stride" else 1
    for block, width in enumerate(widths, start=1):
        x = layers.Conv2D(
            width, 3, strides, padding="same", name=f"block{block}_conv"
        )(x)
        x = layers.BatchNormalization(name=f"block{block}_norm")(x)
        if context_size is not None:
            small = keras.initializers.RandomNormal(stddev=0.001)
            x = FiLM(small, name=f"block{block}_film")([x, context])
        if downsampling == "max_pool":
            # Before the ReLU, which is monotone: the same maxima, sooner.
            x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
        x = layers.ReLU(name=f"block{block}_relu")(x)
    if downsampling == "max_pool":
        x = layers.Flatten(name="flatten")(x)
    else:
        x = layers.GlobalAveragePooling2D(name="average")(x)
    if num_classes is not None:
        x = layers.Dense(num_classes, name="head")(x)
    return keras.Model(inputs, x, name=name)
