"""What returns to expect, by regression on simple features."""

import tensorflow as tf

from kerasmeta.ops.ridge_regression import ridge_regression

_PENALTY = 1e-5


def linear_baseline(observations, returns, mask):
    """Return what returns were to be expected, by ridge regression.

    One regression for each task, on the observation, its square, the first
    three powers of the time in units of 100 steps, and one.

    Reference: Duan, Chen, Houthooft, Schulman and Abbeel, 2016, "Benchmarking
    Deep Reinforcement Learning for Continuous Control", arXiv:1604.06778,
    appendix; the baseline of Finn, Abbeel and Levine, 2017, arXiv:1703.03400.

    Args:
        observations: `[H, T, K, D]`: steps, tasks, trajectories.
        returns: What followed each step, `[H, T, K]`.
        mask: float32 `[H, T, K]`, 1 for steps that count.

    Returns:
        `[H, T, K]`.
    """
    shape = tf.shape(returns)
    time = tf.cast(tf.range(shape[0]), "float32")[:, None, None, None] / 100
    time = tf.broadcast_to(time, tf.concat([shape, [1]], axis=0))
    features = tf.concat(
        [observations, observations**2]
        + [time, time**2, time**3, tf.ones_like(time)],
        axis=-1,
    )
    # Powers of the time are nearly collinear: single precision is not enough.
    x = _by_task(tf.cast(features, "float64"))
    y = _by_task(tf.cast(returns, "float64")[..., None])
    is_real = _by_task(mask[..., None])[..., 0] > 0
    weights = ridge_regression(x, y, _PENALTY, is_real)
    expected = tf.cast(tf.matmul(x, weights), "float32")[..., 0]
    expected = tf.reshape(expected, tf.gather(shape, [1, 0, 2]))
    return tf.transpose(expected, [1, 0, 2])


def num_features(environment):
    """Return how many features the regression has."""
    return 2 * environment.observation_size + 4


def _by_task(values):
    """Return `[T, H * K, D]` of `[H, T, K, D]`."""
    values = tf.transpose(values, [1, 0, 2, 3])
    shape = tf.shape(values)
    return tf.reshape(values, [shape[0], -1, values.shape[-1]])
