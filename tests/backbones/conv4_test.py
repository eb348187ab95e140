import pytest

import kerasmeta as km


@pytest.mark.parametrize(
    "shape, filters, features, count",
    [
        ((84, 84, 3), 32, 800, 29_152),
        ((84, 84, 3), 64, 1600, 113_600),
        ((28, 28, 1), 32, 32, 28_576),
        ((28, 28, 1), 64, 64, 112_448),
    ],
)
def test_size_by_hand(shape, filters, features, count):
    first = 9 * shape[-1] * filters + filters
    others = 3 * (9 * filters * filters + filters)
    norms = 4 * 4 * filters
    assert first + others + norms == count
    network = km.backbones.conv4(shape, filters=filters)
    assert network.count_params() == count
    assert network.output_shape == (None, features)
    with_head = km.backbones.conv4(shape, num_classes=5, filters=filters)
    assert with_head.count_params() == count + 5 * features + 5
