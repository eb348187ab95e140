import numpy as np
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


def test_blocks_of_different_widths():
    """R2D2's 96, 192, 384 and 512."""
    widths = (96, 192, 384, 512)
    count, before = 0, 3
    for width in widths:
        count += 9 * before * width + width + 4 * width
        before = width
    assert count == 2_607_424
    network = km.backbones.conv4((84, 84, 3), filters=widths)
    assert network.count_params() == count
    assert network.output_shape == (None, 5 * 5 * 512)


@pytest.mark.parametrize("filters", [(64, 64), (8, 8, 8, 0), 0, 2.5])
def test_wrong_widths(filters):
    with pytest.raises(ValueError, match="Received: filters="):
        km.backbones.conv4((28, 28, 1), filters=filters)


@pytest.mark.parametrize(
    "shape", [(None, None, 1), (28, 28), (8, 28, 1), (28, 28, 0), 28]
)
def test_wrong_images(shape):
    with pytest.raises(ValueError, match="Received: input_shape="):
        km.backbones.conv4(shape)


def test_a_context_of_zeros_changes_nothing():
    plain = km.backbones.conv4((16, 16, 1), filters=4)
    network = km.backbones.conv4((16, 16, 1), filters=4, context_size=3)
    films = [f"block{block}_film" for block in range(1, 5)]
    for layer in network.layers:
        if layer.name in films:
            assert layer.count_params() == 3 * 8 + 8
        elif layer.weights:
            plain.get_layer(layer.name).set_weights(layer.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 1))
    outputs = network([x, np.zeros((2, 3))])
    np.testing.assert_allclose(outputs, plain(x), rtol=1e-5, atol=1e-6)
    moved = network([x, np.full((2, 3), 100.0)])
    assert np.abs(moved - outputs).max() > 1e-3
