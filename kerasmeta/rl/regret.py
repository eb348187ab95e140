"""What was lost by not knowing the best arm."""

import tensorflow as tf

from kerasmeta.metrics.task_intervals import Z95


def cumulative_regret(tasks, arms):
    """Return the expected loss up to each pull, against the best arm.

    Each pull loses the probability of the best arm minus that of the arm that
    was pulled; the luck of the draw does not count.

    Args:
        tasks: What `BernoulliBandits.sample_tasks` returned, `N` tasks.
        arms: The arms that were pulled, int32 `[pulls, N]`.

    Returns:
        float32 `[pulls, N]`.

    Example:

    >>> tasks = {"probabilities": tf.constant([[0.25, 0.75]])}
    >>> km.rl.cumulative_regret(tasks, tf.constant([[0], [1], [0]])).numpy()
    array([[0.5],
           [0.5],
           [1. ]], dtype=float32)
    """
    if "probabilities" not in tasks:
        raise ValueError(
            "`tasks` must be what `BernoulliBandits.sample_tasks` returned. "
            f"Received: tasks with {sorted(tasks)}"
        )
    chances = tasks["probabilities"]
    pulled = tf.gather(chances, tf.transpose(arms), batch_dims=1)
    lost = tf.reduce_max(chances, axis=-1, keepdims=True) - pulled
    return tf.transpose(tf.cumsum(lost, axis=1))


def task_interval(values):
    """Return means over tasks and half-widths of their 95 % intervals.

    Args:
        values: `[..., N]`, at least two tasks.

    Returns:
        `(mean, half_width)`, `[...]` each.

    Example:

    >>> mean, width = km.rl.task_interval(tf.constant([1.0, 2.0, 3.0]))
    >>> float(mean), round(float(width), 3)
    (2.0, 1.132)
    """
    values = tf.convert_to_tensor(values)
    if (values.shape[-1] if values.shape.rank else 0) in (0, 1):
        raise ValueError(
            "An interval needs at least two tasks. Collect more. "
            f"Received: values of shape {tuple(values.shape)}"
        )
    count = tf.cast(tf.shape(values)[-1], values.dtype)
    mean = tf.reduce_mean(values, axis=-1)
    variance = tf.reduce_sum((values - mean[..., None]) ** 2, -1) / (count - 1)
    return mean, Z95 * tf.sqrt(variance / count)
