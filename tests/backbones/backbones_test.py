import pytest

import kerasmeta as km


@pytest.mark.parametrize(
    "arguments, count",
    [
        # By hand: 9 * c * f + f a convolution, 4 f a BatchNormalization.
        (dict(input_shape=(28, 28, 1)), 112_448),
        (dict(input_shape=(28, 28, 1), num_classes=5), 112_773),
        (dict(input_shape=(84, 84, 3), num_classes=5, filters=32), 33_157),
    ],
)
def test_conv4_has_the_papers_size(arguments, count):
    network = km.backbones.conv4(**arguments)
    assert network.count_params() == count


def test_conv4_needs_pixels():
    with pytest.raises(ValueError, match=r"input_shape=\(8, 28, 1\)"):
        km.backbones.conv4((8, 28, 1))


def test_mlp_of_the_sinusoid():
    assert km.backbones.mlp((1,), 1).count_params() == 1_761
