"""The road from episode indices to a `tf.data.Dataset` of meta-batches."""

import math

import tensorflow as tf

from kerasmeta.episodes.episode_stream import EpisodeStream
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_seed

_MOST_BUFFERED = 2**26


def source_episodes(
    source,
    spec,
    batch_size=4,
    seed=0,
    num_episodes=None,
    augment_support=None,
    augment_query=None,
    first_episode=0,
    shard=(0, 1),
):
    """Make a dataset of episodes from a `Source`.

    What every builder `episodes_from_*` ends in: the arguments here are common
    to all of them.

    Args:
        source: `Source` of the examples.
        spec: `EpisodeSpec`, the size of an episode, or `Curriculum`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
            With a number, the dataset yields these same episodes each time.
        augment_support: Function `(example, seed) -> example` that changes
            each support example at random, as `tf.image.stateless_random_*`
            do with their `seed`; or `None`.
        augment_query: The same for queries.
        first_episode: Index of the first episode, to resume a stream: it costs
            nothing to begin with episode 1,000,000.
        shard: `(worker, number of workers)`: worker `w` of `n` gets the
            episodes `first_episode + w`, `first_episode + w + n`, ..., and
            `tf.distribute` does not divide them among workers once more.

    Returns:
        A `tf.data.Dataset` of `(x, query_y)`.
    """
    stream = EpisodeStream(source, spec, seed, augment_support, augment_query)
    return stream_dataset(
        stream, batch_size, num_episodes, first_episode, shard
    )


def stream_dataset(
    stream,
    batch_size=4,
    num_episodes=None,
    first_episode=0,
    shard=(0, 1),
    skipped=0,
):
    """Make a dataset of the episodes of a stream; see `source_episodes`.

    Without the first `skipped` meta-batches.
    """
    batch_size = check_positive_int("batch_size", batch_size)
    indices = episode_indices(
        num_episodes, first_episode, shard, skipped * batch_size
    )
    options = batch_options(batch_size, num_episodes, shard)
    batches = _num_batches(indices, options)
    # Drawing many meta-batches at once spreads the cost of the operations.
    dataset = indices.batch(
        batch_size * max(1, stream.chunk // batch_size),
        drop_remainder=False,
    )
    dataset = dataset.map(stream.draw, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.rebatch(**options)
    dataset = dataset.map(stream.load, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(batches))
    dataset = dataset.prefetch(_buffer_size(dataset.element_spec))
    dataset = dataset.with_options(_options(shard))
    # `fit` uses the spec to tell a head of the wrong width before it trains.
    dataset.episode_spec = stream.spec
    dataset.episode_stream = stream
    dataset.episode_indices = indices
    dataset.skip_batches = lambda count: stream_dataset(
        stream, batch_size, num_episodes, first_episode, shard, skipped + count
    )
    return dataset


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
    return _function_dataset(task, batch_size, seed, num_episodes)


def _function_dataset(task, batch_size, seed, num_episodes, skipped=0):
    batch_size = check_positive_int("batch_size", batch_size)
    indices = episode_indices(num_episodes, skipped=skipped * batch_size)
    options = batch_options(batch_size, num_episodes)
    dataset = (
        indices.map(
            lambda index: task(tf.stack([tf.constant(seed, "int64"), index])),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        .batch(**options)
        .prefetch(tf.data.AUTOTUNE)
    )
    dataset.episode_indices = indices
    dataset.skip_batches = lambda count: _function_dataset(
        task, batch_size, seed, num_episodes, skipped + count
    )
    return dataset


def episode_indices(num_episodes, first_episode=0, shard=(0, 1), skipped=0):
    """Return a dataset of the indices of the episodes of one worker.

    Without the first `skipped` of them.
    """
    first = check_positive_int("first_episode", first_episode, minimum=0)
    worker, workers = _check_shard(shard)
    begin = first + worker + skipped * workers
    if num_episodes is None:
        return tf.data.Dataset.counter(begin, workers)
    num_episodes = check_positive_int("num_episodes", num_episodes)
    if num_episodes < workers:
        raise ValueError(
            "Each worker needs an episode. Use more episodes or fewer workers. "
            f"Received: num_episodes={num_episodes}, shard={shard}"
        )
    return tf.data.Dataset.range(begin, first + num_episodes, workers)


def batch_options(batch_size, num_episodes, shard=(0, 1)):
    """Return how to `.batch` episodes.

    The task axis is static wherever it can be: a dataset whose last batch is
    smaller makes `tf.function` trace twice.
    """
    batch_size = check_positive_int("batch_size", batch_size)
    worker, workers = shard
    mine = num_episodes and -(-(num_episodes - worker) // workers)
    return {
        "batch_size": batch_size,
        "drop_remainder": not mine or mine % batch_size == 0,
    }


def _options(shard):
    """Return options that hold the arrays of a source once.

    The graph rewriter would copy all that the functions of a dataset capture,
    for every iterator. `tf.distribute` gives each worker its part of every
    meta-batch, unless the dataset is the part of a worker already.
    """
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    policy = tf.data.experimental.AutoShardPolicy
    options.experimental_distribute.auto_shard_policy = (
        policy.DATA if shard[1] == 1 else policy.OFF
    )
    return options


def _buffer_size(element_spec):
    """Return how many meta-batches to keep ready, of at most 64 MB.

    An automatic buffer grows to hundreds of them.
    """
    num_bytes = sum(
        max(1, spec.dtype.size) * math.prod(n or 1 for n in spec.shape)
        for spec in tf.nest.flatten(element_spec)
    )
    return max(2, min(16, _MOST_BUFFERED // num_bytes))


def _num_batches(indices, options):
    return indices.batch(**options).cardinality()


def _check_shard(shard):
    try:
        worker, workers = shard
    except (TypeError, ValueError):
        worker, workers = None, None
    is_pair = isinstance(worker, int) and isinstance(workers, int)
    if not is_pair or not 0 <= worker < workers:
        raise ValueError(
            "`shard` must be a pair (worker, number of workers) with "
            f"0 <= worker < number of workers. Received: shard={shard!r}"
        )
    return worker, workers
