"""The road from episode indices to a `tf.data.Dataset` of meta-batches."""

import tensorflow as tf

from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_seed


def episodes_from_function(task, batch_size=4, seed=0, num_episodes=None):
    """Make a dataset of episodes from a function that draws one task.

    Use it for task distributions of your own: simulators, random functions,
    random hyperplanes. Everything random in `task` must come from the seed
    that it is given (`tf.random.stateless_*`), so that an episode is a pure
    function of `(seed, index)`: the same on every run, on every machine,
    whatever the batch size.

    Args:
        task: Function of one argument, an int64 tensor `[seed, index]`, that
            returns one episode `(x, query_y)` where `x` is a dictionary with
            `"support_x"`, `"support_y"` and `"query_x"`. Leading axes are the
            number of support examples `S` and of query examples `Q`.
        batch_size: Number of episodes in a meta-batch.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.

    Returns:
        A `tf.data.Dataset` of `(x, query_y)` with a leading task axis
        `T = batch_size`; the last meta-batch is smaller if `num_episodes` is
        not a multiple of `batch_size`.

    Raises:
        ValueError: If a size or the seed is not a suitable integer.

    Example:

    >>> def line(seed):
    ...     numbers = tf.random.stateless_uniform([21, 1], seed)
    ...     slope, x = numbers[:1], numbers[1:]
    ...     y = slope * x
    ...     support = {"support_x": x[:5], "support_y": y[:5]}
    ...     return {**support, "query_x": x[5:]}, y[5:]
    >>> episodes = km.episodes.episodes_from_function(line, batch_size=8)
    >>> x, query_y = next(iter(episodes))
    >>> x["support_x"].shape, query_y.shape
    (TensorShape([8, 5, 1]), TensorShape([8, 15, 1]))
    """
    seed = check_seed(seed)
    if not callable(task):
        raise ValueError(
            "`task` must be a function of one seed `[seed, index]` that "
            f"returns `(x, query_y)`. Received: task={task!r}"
        )
    indices, options = episode_indices(batch_size, num_episodes)
    return (
        indices.map(
            lambda index: task(tf.stack([tf.constant(seed, "int64"), index])),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .batch(**options)
        .prefetch(tf.data.AUTOTUNE)
    )


def episode_indices(batch_size, num_episodes):
    """Return a dataset of episode indices and how to `.batch` them.

    The task axis is static wherever it can be: a dataset whose last batch is
    smaller makes `tf.function` trace twice.
    """
    batch_size = check_positive_int("batch_size", batch_size)
    if num_episodes is None:
        return tf.data.Dataset.counter(), {
            "batch_size": batch_size,
            "drop_remainder": True,
        }
    num_episodes = check_positive_int("num_episodes", num_episodes)
    return tf.data.Dataset.range(num_episodes), {
        "batch_size": batch_size,
        "drop_remainder": num_episodes % batch_size == 0,
    }
