import math

import numpy as np
import tensorflow as tf

from kerasmeta.ops.log_and_sign import log_and_sign


def by_hand(x, limit):
    if abs(x) >= math.exp(-limit):
        return [math.log(abs(x)) / limit, math.copysign(1, x)]
    return [-1.0, math.exp(limit) * x]


def test_is_the_formula():
    x = np.array([[3.0, -0.2, 1e-3], [-1e-4, 1e-20, 0.0]])
    for limit in (10.0, 7.0):
        expected = [[by_hand(v, limit) for v in row] for row in x]
        received = log_and_sign(tf.constant(x), limit)
        np.testing.assert_allclose(received, expected, rtol=1e-12)


def test_gradients_are_finite():
    x = tf.constant([0.0, 1e-30, -1e-4, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(log_and_sign(x))
    assert np.isfinite(tape.gradient(total, x)).all()
