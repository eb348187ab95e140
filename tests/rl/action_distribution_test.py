import numpy as np
import scipy.stats
import tensorflow as tf

from kerasmeta.rl.action_distribution import Categorical
from kerasmeta.rl.action_distribution import DiagonalNormal

NEVER = -np.inf


def test_masked_actions():
    actions = Categorical(4)
    masked = tf.constant([[0.3, NEVER, -1.0, NEVER], [NEVER, 2.0, NEVER, 0.0]])
    taken = tf.constant([2, 1])
    possible = [np.array([0.3, -1.0]), np.array([2.0, 0.0])]
    logs = [x - np.log(np.exp(x).sum()) for x in possible]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(masked)
        log_prob = actions.log_prob(masked, taken)
        entropy = actions.entropy(masked)
    np.testing.assert_allclose(log_prob, [logs[0][1], logs[1][0]], rtol=1e-6)
    expected = [-(np.exp(x) * x).sum() for x in logs]
    np.testing.assert_allclose(entropy, expected, rtol=1e-6)
    slopes = np.zeros((2, 4)), np.zeros((2, 4))
    for row, places in enumerate([[0, 2], [1, 3]]):
        chances = np.exp(logs[row])
        score = np.array([0.0, 1.0] if row == 0 else [1.0, 0.0]) - chances
        slopes[0][row, places] = score
        slopes[1][row, places] = -chances * (logs[row] + expected[row])
    for values, slope in zip((log_prob, entropy), slopes):
        received = tape.gradient(values, masked)
        np.testing.assert_allclose(received, slope, atol=1e-6)


def test_masked_actions_at_second_order():
    actions = Categorical(3)
    masked = tf.constant([[0.3, NEVER, -1.0]])
    with tf.GradientTape() as outer:
        outer.watch(masked)
        with tf.GradientTape() as inner:
            inner.watch(masked)
            log_prob = actions.log_prob(masked, [0])
        score = inner.gradient(log_prob, masked)
        total = tf.reduce_sum(score * [[1.0, 0.0, 0.0]])
    chance = 1 / (1 + np.exp(-1.3))
    slope = chance * (1 - chance)
    received = outer.gradient(total, masked)
    np.testing.assert_allclose(received, [[-slope, 0, slope]], rtol=1e-5)


def test_masked_actions_are_not_drawn():
    actions = Categorical(3)
    masked = tf.repeat(tf.constant([[NEVER, 1.0, NEVER]]), 20000, axis=0)
    drawn = actions.sample(masked, [0, 0])
    np.testing.assert_array_equal(drawn, np.ones(20000))
    assert actions.log_prob(masked[:1], [0]) == NEVER


def test_deviations_stay_within_bounds():
    actions = DiagonalNormal(1)
    outputs = tf.constant([[1.0, -200.0], [1.0, 200.0], [1.0, np.log(2.0)]])
    deviations = np.array([0.01, 100.0, 2.0])
    expected = scipy.stats.norm(1.0, deviations).logpdf(1.5)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        logs = actions.log_prob(outputs, tf.fill([3, 1], 1.5))
    np.testing.assert_allclose(logs, expected, rtol=1e-5)
    assert np.isfinite(tape.gradient(logs, outputs)).all()
    drawn = actions.sample(tf.repeat(outputs, 1000, axis=0), [0, 0])
    spread = tf.reshape(drawn, [3, 1000]).numpy().std(axis=1)
    np.testing.assert_allclose(spread, deviations, rtol=0.1)
