import numpy as np
import pytest

import kerasmeta as km


def test_has_the_size_of_the_papers():
    """12,424,320 trainable weights, counted by hand."""
    channels = [3, 64, 160, 320, 640]
    expected = 0
    for before, after in zip(channels, channels[1:]):
        convolutions = 9 * before * after + 2 * 9 * after * after
        shortcut = before * after
        expected += convolutions + shortcut + 4 * 2 * after
    assert expected == 12_424_320
    network = km.backbones.resnet12((84, 84, 3))
    sizes = [np.prod(v.shape) for v in network.trainable_variables]
    assert sum(sizes) == expected
    # Moving means and variances, two numbers for each channel.
    means = 4 * 2 * sum(channels[1:])
    assert network.count_params() == expected + means
    assert network.output_shape == (None, 640)
    assert network.get_layer("block4_pool").output.shape[1:3] == (5, 5)


def small(**kwargs):
    return km.backbones.resnet12((16, 16, 1), filters=(2, 3, 4, 5), **kwargs)


def test_ends_in_a_head():
    assert small(num_classes=7)(np.zeros((2, 16, 16, 1))).shape == (2, 7)


def test_drops_in_training_only():
    x = np.random.default_rng(0).normal(size=(4, 16, 16, 1))
    network = small(drop_rate=0.5)
    np.testing.assert_array_equal(network(x), network(x))
    assert np.abs(network(x, training=True) - network(x, training=True)).max()


def test_one_number_for_all_blocks():
    network = km.backbones.resnet12((16, 16, 1), filters=3)
    assert network.output_shape == (None, 3)
    assert network.get_layer("block4_3_conv").filters == 3


@pytest.mark.parametrize(
    "name, value",
    [
        ("filters", (2, 3, 4, 0)),
        ("filters", (2, 3, 4, 5, 6)),
        ("drop_rate", 1.0),
        ("block_size", 0),
    ],
)
def test_wrong_arguments(name, value):
    arguments = {"filters": (2, 3, 4, 5), name: value}
    with pytest.raises(ValueError, match=f"Received: {name}="):
        km.backbones.resnet12((16, 16, 1), **arguments)


def test_needs_pixels():
    with pytest.raises(ValueError, match=r"input_shape=\(8, 28, 1\)"):
        km.backbones.resnet12((8, 28, 1))
