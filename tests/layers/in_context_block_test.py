import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.layers.in_context_block import InContextBlock

GENERATOR = np.random.default_rng(0)
CONTEXT = tf.constant(GENERATOR.normal(size=(2, 5, 4)).astype("float32"))


def test_tokens_begin_to_look_at_those_like_them():
    block = InContextBlock(heads=2, hidden_units=6)
    block.build(CONTEXT.shape)
    np.testing.assert_array_equal(block.key.kernel, block.query.kernel)


def test_sees_the_context_that_the_mask_allows():
    block = InContextBlock(heads=2, hidden_units=6)
    block.build(CONTEXT.shape)
    mask = tf.constant([[True, False, True, True, False]] * 2)
    masked = block(CONTEXT, block.remember(CONTEXT), context_mask=mask)
    kept = block.remember(tf.gather(CONTEXT, [0, 2, 3], axis=1))
    np.testing.assert_allclose(masked, block(CONTEXT, kept), rtol=1e-5)


def test_bad_arguments():
    with pytest.raises(ValueError, match="Received: hidden_units=0"):
        InContextBlock(hidden_units=0)
    with pytest.raises(ValueError, match="Received: heads=3"):
        InContextBlock(heads=3).build(CONTEXT.shape)
