import itertools

import numpy as np
import tensorflow as tf

from kerasmeta.rl.advantages import discounted_sums
from kerasmeta.rl.advantages import generalized_advantages
from kerasmeta.rl.advantages import standardize
from kerasmeta.rl.linear_baseline import linear_baseline
from kerasmeta.rl.surrogate import surrogate

GENERATOR = np.random.default_rng(0)
REWARDS = GENERATOR.normal(size=(5, 3))
VALUES = GENERATOR.normal(size=(5, 3))


def test_sums_run_forwards_and_backwards():
    received = discounted_sums(tf.constant(REWARDS), 0.9)
    expected = np.zeros((6, 3))
    for t in reversed(range(5)):
        expected[t] = REWARDS[t] + 0.9 * expected[t + 1]
    np.testing.assert_allclose(received, expected[:5])
    past = discounted_sums(tf.constant(REWARDS[::-1]), 0.9, is_past=True)
    np.testing.assert_allclose(past, expected[:5][::-1])
    alone = discounted_sums(tf.constant(REWARDS), 0.0)
    np.testing.assert_allclose(alone, REWARDS)


def test_generalized_advantages():
    values = np.concatenate([VALUES, np.zeros((1, 3))])
    expected = np.zeros((6, 3))
    for t in reversed(range(5)):
        surprise = REWARDS[t] + 0.9 * values[t + 1] - values[t]
        expected[t] = surprise + 0.9 * 0.7 * expected[t + 1]
    received = generalized_advantages(
        tf.constant(REWARDS), tf.constant(VALUES), 0.9, 0.7
    )
    np.testing.assert_allclose(received, expected[:5])


def test_standardize_leaves_out_what_is_masked():
    mask = (GENERATOR.uniform(size=(5, 3)) < 0.6).astype("float64")
    received = standardize(tf.constant(VALUES), tf.constant(mask)).numpy()
    real = VALUES[mask > 0]
    expected = (real - real.mean()) / real.std()
    np.testing.assert_allclose(received[mask > 0], expected, rtol=1e-6)
    assert (received[mask == 0] == 0).all()


def test_the_linear_baseline_is_a_regression():
    shape = (30, 2, 4)
    x = GENERATOR.normal(size=(*shape, 2)).astype("float32")
    time = np.broadcast_to(np.arange(30)[:, None, None] / 100, shape)
    slopes = np.array([[1.0, -2.0], [0.5, 3.0]])
    linear = np.einsum("htkd,td->htk", x, slopes)
    returns = (linear + x[..., 0] ** 2 + time**2 - 5).astype("float32")
    mask = np.ones(shape, "float32")
    mask[20:, :, 1] = 0
    returns[20:, :, 1] = 1e3
    received = linear_baseline(*map(tf.constant, (x, returns, mask))).numpy()
    np.testing.assert_allclose(received[mask > 0], returns[mask > 0], atol=2e-2)


# A problem of two steps: the first action chooses the second state.
STEP_REWARDS = np.array([[0.3, -0.2], [1.0, 2.0], [-1.0, 0.5]])
LOGITS = GENERATOR.normal(size=(3, 2))


def log_policy(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def expected_return(logits):
    policy = np.exp(log_policy(logits))
    later = (policy * STEP_REWARDS).sum(axis=1)
    return (policy[0] * (STEP_REWARDS[0] + later[1:])).sum()


def derivatives(memory, direction):
    """Return gradient and curvature of the enumerated surrogate."""
    actions = np.array(list(itertools.product(range(2), range(2)))).T
    states = np.stack([np.zeros(4, int), 1 + actions[0]])
    rewards = STEP_REWARDS[states, actions]
    logs = log_policy(LOGITS)[states, actions].sum(axis=0)
    weights = np.exp(logs) * rewards[::-1].cumsum(axis=0)[::-1]
    logits, direction = tf.constant(LOGITS), tf.constant(direction)
    with tf.GradientTape() as outer:
        outer.watch(logits)
        with tf.GradientTape() as inner:
            inner.watch(logits)
            table = tf.nn.log_softmax(logits)
            taken = tf.gather_nd(table, np.stack([states, actions], -1))
            terms = surrogate(taken, tf.constant(weights), memory)
            total = tf.reduce_sum(terms)
        gradient = inner.gradient(total, logits)
        slope = tf.reduce_sum(gradient * direction)
    return gradient.numpy(), outer.gradient(slope, logits).numpy()


def test_derivatives_are_those_of_the_expected_return():
    direction = GENERATOR.normal(size=(3, 2))
    other = GENERATOR.normal(size=(3, 2))
    gradient, curvature = derivatives(1.0, direction)
    small = 1e-4

    def at(a, b):
        return expected_return(LOGITS + small * (a * direction + b * other))

    slope = (at(1, 0) - at(-1, 0)) / (2 * small)
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-6)
    mixed = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (2 * small) ** 2
    np.testing.assert_allclose((curvature * other).sum(), mixed, rtol=1e-5)
    # Without memory, the gradient is the same, and the curvature is not.
    gradient, curvature = derivatives(0.0, direction)
    np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-6)
    assert abs((curvature * other).sum() - mixed) > 0.1 * abs(mixed)
