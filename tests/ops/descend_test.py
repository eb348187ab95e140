import numpy as np
import tensorflow as tf

import kerasmeta as km


def test_is_gradient_descent():
    target = np.array([1.0, -2.0, 3.0])
    start = np.array([0.5, 0.5, 0.5])
    weights, velocity = start, np.zeros(3)
    for _ in range(5):
        velocity = 0.6 * velocity + 2 * (weights - target) + 0.3 * weights
        weights = weights - 0.1 * velocity
    [received] = km.ops.descend(
        lambda w: (2 * (w[0] - target),),
        (tf.constant(start),),
        steps=5,
        learning_rate=0.1,
        momentum=0.6,
        weight_decay=0.3,
    )
    np.testing.assert_allclose(received, weights, rtol=1e-12)
