import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

LOSS = km.losses.RelationBinaryCrossentropy(reduction="none")


def test_golden_numbers():
    """`log 2` for each class where nothing is known, and three logits."""
    received = LOSS(np.array([1, 0]), np.array([[0.0] * 3, [1.0, -1.0, 2.0]]))
    expected = [3 * np.log(2), 2 * np.log1p(np.exp(-1)) + np.log1p(np.exp(2))]
    np.testing.assert_allclose(received, expected, rtol=1e-6)


def test_gradient_is_the_score_less_one_for_the_own_class():
    logits = tf.constant([[0.3, -2.0, 5.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = LOSS(np.array([2]), logits)
    expected = tf.sigmoid(logits) - [[0.0, 0.0, 1.0]]
    np.testing.assert_allclose(
        tape.gradient(loss, logits), expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("label, expected", [(0, 0.0), (1, 400.0)])
def test_sure_scores_are_finite(label, expected):
    received = LOSS(np.array([label]), np.array([[200.0, -200.0]]))
    np.testing.assert_allclose(received, [expected], atol=1e-6)
