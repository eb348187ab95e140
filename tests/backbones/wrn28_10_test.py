import numpy as np
import pytest

import kerasmeta as km


def by_hand(width):
    """Return trainable weights without a head, and channels normalized."""
    weights, channels, before = 3 * 9 * 16, 0, 16
    for filters in (16 * width, 32 * width, 64 * width):
        for block in range(4):
            weights += 9 * before * filters + 9 * filters * filters
            if block == 0 and before != filters:
                weights += before * filters
            channels += before + filters
            before = filters
    channels += before
    return weights + 2 * channels, channels


def test_has_the_size_of_the_paper():
    """36,479,194 trainable weights with a head of ten classes."""
    weights, channels = by_hand(10)
    assert weights + 640 * 10 + 10 == 36_479_194
    network = km.backbones.wrn28_10((32, 32, 3), drop_rate=0.0)
    sizes = [np.prod(v.shape) for v in network.trainable_variables]
    assert sum(sizes) == weights
    assert network.output_shape == (None, 640)
    last = network.get_layer("last_relu").output.shape
    assert last[1:3] == (8, 8)


def test_is_as_wide_as_it_is_told():
    network = km.backbones.wrn28_10((16, 16, 3), num_classes=5, width=1)
    sizes = [np.prod(v.shape) for v in network.trainable_variables]
    assert sum(sizes) == by_hand(1)[0] + 64 * 5 + 5
    assert network(np.zeros((2, 16, 16, 3))).shape == (2, 5)


@pytest.mark.parametrize(
    "name, value", [("drop_rate", 1.0), ("drop_rate", -0.1), ("width", 0)]
)
def test_wrong_arguments(name, value):
    arguments = {"width": 1, name: value}
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        km.backbones.wrn28_10((16, 16, 3), **arguments)
