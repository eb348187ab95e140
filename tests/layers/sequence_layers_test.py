"""What layers over sequences promise alike: to be extended by an example."""

import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
SEQUENCES = GENERATOR.normal(size=(2, 5, 4)).astype("float32")
LAYERS = {
    "CausalAttention": lambda **kwargs: km.layers.CausalAttention(
        key_size=3, value_size=2, **kwargs
    ),
    **{
        f"TemporalConvolution-{dilation}": (
            lambda dilation=dilation, **kwargs: km.layers.TemporalConvolution(
                filters=3, dilation=dilation, **kwargs
            )
        )
        for dilation in (1, 2, 3, 7)
    },
}


def made(name, **kwargs):
    layer = LAYERS[name](**kwargs)
    layer.build(SEQUENCES.shape)
    for variable in layer.trainable_variables:
        variable.assign(GENERATOR.normal(size=variable.shape))
    return layer


@pytest.mark.parametrize("name", LAYERS)
def test_extends_as_if_each_example_came_next(name):
    layer = made(name)
    past, mask = SEQUENCES[:, :3], tf.constant([[False, True, True]] * 2)
    examples = layer.extend(
        tf.constant(SEQUENCES[:, 3:]), layer.remember(past, mask)
    )
    for q in (3, 4):
        whole = layer(SEQUENCES[:, [1, 2, q]])
        np.testing.assert_allclose(
            examples[:, q - 3], whole[:, -1], rtol=1e-4, atol=1e-6
        )


@pytest.mark.parametrize("name", ["CausalAttention", "TemporalConvolution-2"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_extends_in_half_precision(name, dtype):
    layer = made(name, dtype=f"mixed_{dtype}")
    memory = layer.remember(SEQUENCES[:, :3])
    examples = layer.extend(SEQUENCES[:, 3:], memory)
    for q in (3, 4):
        whole = layer(SEQUENCES[:, [0, 1, 2, q]])
        assert whole.dtype == examples.dtype == dtype
        np.testing.assert_allclose(
            tf.cast(examples[:, q - 3], "float32"),
            tf.cast(whole[:, -1], "float32"),
            rtol=2e-2,
            atol=2e-2,
        )
