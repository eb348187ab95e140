"""Drawing episodes: pure functions of a seed and of episode indices."""

import tensorflow as tf

from kerasmeta.utils.split_mix import integers
from kerasmeta.utils.split_mix import stream_keys


def random_keys(seed, indices, *sizes):
    """Return random integers for each episode, one `[B, size]` a size."""
    episodes = stream_keys(tf.constant(seed, "int64"), indices, salt=0)
    # One stream for all purposes: half the time of a stream for each.
    return tf.split(integers(episodes, sum(sizes)), sizes, axis=1)


def choose(keys, size, population=None):
    """Choose positions without replacement, in uniformly random order.

    Args:
        keys: Random non-negative integers, `[..., P]`.
        size: How many of the `P` positions to choose.
        population: Number of positions that exist, `[...]`, where fewer than
            `P` do; `None` means all.

    Returns:
        Distinct positions, an int32 tensor `[..., size]`.
    """
    if population is not None:
        exists = tf.range(tf.shape(keys)[-1]) < population[..., None]
        keys = tf.where(exists, keys, tf.constant(-1, keys.dtype))
    return tf.math.top_k(keys, k=size).indices


def draw_episodes(class_index, spec, seed, indices):
    """Draw the examples of a batch of N-way K-shot episodes.

    Args:
        class_index: `ClassIndex` of the data.
        spec: `EpisodeSpec`.
        seed: Python integer.
        indices: Episode indices, an int64 tensor `[B]`.

    Returns:
        `(support_ids, support_y), (query_ids, query_y)`: example ids (int64)
        and labels `0..ways-1` (int32), each `[B, S]` or `[B, Q]`. The order
        within the support set and within the query set is random, so that it
        tells nothing of the labels.
    """
    ways, longest = spec.ways, class_index.longest
    class_keys, example_keys, support_keys, query_keys = random_keys(
        seed,
        indices,
        class_index.num_classes,
        ways * longest,
        spec.support_size,
        spec.query_size,
    )
    classes = choose(class_keys, ways)  # (B, N)
    positions = choose(
        tf.reshape(example_keys, [-1, ways, longest]),
        spec.examples_per_class,
        population=tf.gather(class_index.sizes, classes),
    )  # (B, N, shots + queries)
    starts = tf.gather(class_index.starts, classes)[..., None]
    ids = tf.gather(class_index.ids, starts + tf.cast(positions, "int64"))
    support = _shuffle(ids[..., : spec.shots], support_keys)
    query = _shuffle(ids[..., spec.shots :], query_keys)
    return support, query


def _shuffle(ids, keys):
    """Flatten `[B, N, K]` ids in random order, with their labels."""
    ways, shots = ids.shape[1:]
    order = choose(keys, ways * shots)
    flat = tf.reshape(ids, [-1, ways * shots])
    return tf.gather(flat, order, batch_dims=1), order // shots
