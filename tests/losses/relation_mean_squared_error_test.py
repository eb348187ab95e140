import numpy as np
import tensorflow as tf

import kerasmeta as km

LOSS = km.losses.RelationMeanSquaredError(reduction="none")


def test_golden_numbers():
    """A quarter for each class where nothing is known; scores of 1/4, 3/4."""
    logits = np.array([[0.0] * 3, [np.log(3), -np.log(3), np.log(3)]])
    received = LOSS(np.array([1, 0]), logits)
    np.testing.assert_allclose(received, [0.75, 11 / 16], rtol=1e-6)


def test_gradient():
    logits = tf.constant([[0.3, -2.0, 5.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = LOSS(np.array([2]), logits)
    score = tf.sigmoid(logits).numpy()
    expected = 2 * (score - [[0.0, 0.0, 1.0]]) * score * (1 - score)
    np.testing.assert_allclose(
        tape.gradient(loss, logits), expected, rtol=1e-4, atol=1e-6
    )


def test_an_empty_batch_is_no_error():
    assert LOSS(np.zeros([0], "int32"), np.zeros([0, 3])).shape == (0,)
