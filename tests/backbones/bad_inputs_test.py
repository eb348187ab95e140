"""What a wrong call of a backbone is told."""

import pytest

import kerasmeta as km

NETWORKS = {
    "an integer for a shape": (
        lambda: km.backbones.mlp(1, 2),
        "`input_shape` must be a tuple of integers, such as `(10,)`. "
        "Received: input_shape=1",
    ),
    "an integer for widths": (
        lambda: km.backbones.mlp((1,), 2, units=4),
        "`units` must be a tuple of positive integers, such as `(10,)`. "
        "Received: units=4",
    ),
    "no units": (
        lambda: km.backbones.text_encoder(9, units=(8, 0)),
        "`units` must be a tuple of positive integers, such as `(10,)`. "
        "Received: units=(8, 0)",
    ),
    "all is dropped": (
        lambda: km.backbones.wrn28_10((32, 32, 3), width=1, drop_rate=1.0),
        "`drop_rate` must be a number of at least 0 and less than 1. "
        "Received: drop_rate=1.0",
    ),
    "three blocks of four": (
        lambda: km.backbones.resnet12((16, 16, 1), filters=(4, 4, 4)),
        "`filters` must be one number for all four blocks, or four. "
        "Received: filters=(4, 4, 4)",
    ),
    "images of any size and one channel": (
        lambda: km.backbones.conv4((None, None, 1)),
        "`input_shape` must be (height, width, channels) with at least 16 "
        "pixels each way. Resize smaller images: see `keras.layers.Resizing`. "
        "Received: input_shape=(None, None, 1)",
    ),
    "sequences of any length": (
        lambda: km.backbones.unet_1d((None, 2), 1),
        "`input_shape` must be (length, channels) with a length that is a "
        "multiple of 2 ** levels = 16. Pad, or use fewer levels. "
        "Received: input_shape=(None, 2)",
    ),
    "images without channels": (
        lambda: km.backbones.resnet12((28, 28)),
        "`input_shape` must be (height, width, channels) with at least 16 "
        "pixels each way. Resize smaller images: see `keras.layers.Resizing`. "
        "Received: input_shape=(28, 28)",
    ),
    "images of any size": (
        lambda: km.backbones.wrn28_10((None, None, 3)),
        "`input_shape` must be (height, width, channels) with at least 16 "
        "pixels each way. Resize smaller images: see `keras.layers.Resizing`. "
        "Received: input_shape=(None, None, 3)",
    ),
    "a sequence without channels": (
        lambda: km.backbones.unet_1d(16, 1),
        "`input_shape` must be (length, channels) with a length that is a "
        "multiple of 2 ** levels = 16. Pad, or use fewer levels. "
        "Received: input_shape=16",
    ),
    "no vocabulary": (
        lambda: km.backbones.text_encoder(0),
        "`vocabulary_size` must be an integer of at least 2. "
        "Received: vocabulary_size=0",
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_wrong_call_is_told_how_to_be_right(name):
    call, message = NETWORKS[name]
    with pytest.raises(ValueError) as told:
        call()
    assert str(told.value) == message
