"""A small network for recordings."""

import keras
from keras import layers

from kerasmeta.layers import LogMel
from kerasmeta.utils import check_positive_int


def audio_encoder(
    samples,
    num_classes=None,
    sample_rate=8000,
    filters=32,
    blocks=3,
    name="audio_encoder",
    **log_mel,
):
    """Return a small convolutional network that takes waveforms.

    Use it for words, speakers and machine sounds of a second or so: the saved
    model takes waveforms, because it begins with `LogMel`. The spectrogram is
    normalized for each band, as an image of one channel; each block is a 3x3
    convolution, BatchNormalization, ReLU and 2x2 max pooling; features are
    averaged over time and frequency, so that a sound may begin anywhere. With
    `num_classes` it ends in logits; without, in the features.

    Reference: the blocks are those of Vinyals et al., 2016, "Matching Networks
    for One Shot Learning", arXiv:1606.04080.

    Args:
        samples: Number of samples of a waveform, floats in [-1, 1).
        num_classes: Width of the head, or `None` for no head.
        sample_rate: Samples in a second.
        filters: Number of filters of each block.
        blocks: Number of blocks.
        name: Name of the model.
        **log_mel: `frame_length`, `frame_step`, `mel_bands` and others, as for
            `km.layers.LogMel`.

    Returns:
        A built functional `keras.Model` from waveforms `[n, samples]`.

    Raises:
        ValueError: If an argument is not what it should be, or the waveform is
            too short for so many blocks.

    Example:

    >>> network = km.backbones.audio_encoder(8000, filters=8)
    >>> network(np.zeros((2, 8000))).shape
    TensorShape([2, 8])
    """
    inputs = keras.Input((check_positive_int("samples", samples),))
    x = LogMel(sample_rate, name="log_mel", **log_mel)(inputs)
    _check_blocks(check_positive_int("blocks", blocks), x.shape[1:])
    x = layers.BatchNormalization(name="bands_norm")(x)
    x = layers.Reshape((*x.shape[1:], 1), name="image")(x)
    check_positive_int("filters", filters)
    for block in range(1, blocks + 1):
        x = layers.Conv2D(
            filters, 3, padding="same", name=f"block{block}_conv"
        )(x)
        x = layers.BatchNormalization(name=f"block{block}_norm")(x)
        x = layers.ReLU(name=f"block{block}_relu")(x)
        x = layers.MaxPooling2D(name=f"block{block}_pool")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    if num_classes is not None:
        x = layers.Dense(num_classes, name="head")(x)
    return keras.Model(inputs, x, name=name)


def _check_blocks(blocks, shape):
    if min(shape) < 2**blocks:
        raise ValueError(
            f"{blocks} blocks halve a spectrogram {blocks} times, which must "
            f"have at least {2**blocks} frames and bands. Use longer "
            "waveforms, a smaller `frame_step` or fewer `blocks`. "
            f"Received: {shape[0]} frames and {shape[1]} bands"
        )
