import numpy as np
import pytest

from kerasmeta.backbones import unet_1d


def test_what_a_query_can_see():
    """Near and far, as far as the levels reach, and no farther."""
    network = unet_1d((256, 1), 1, width=4, levels=2)
    x = np.zeros((1, 256, 1), "float32")
    before = network(x).numpy()
    x[0, 128] = 1
    changed = np.flatnonzero(network(x).numpy() != before)
    reach = max(128 - changed.min(), changed.max() - 128)
    assert 8 < reach < 40


def test_shapes():
    network = unet_1d((16, 3), 5, width=4, levels=3)
    assert network.output_shape == (None, 16, 5)
    with pytest.raises(ValueError, match=r"2 \*\* levels = 8"):
        unet_1d((12, 3), 5, levels=3)


@pytest.mark.parametrize("name", ["width", "levels"])
def test_wrong_arguments(name):
    with pytest.raises(ValueError, match=f"Received: {name}=0"):
        unet_1d((16, 3), 5, **{name: 0})
