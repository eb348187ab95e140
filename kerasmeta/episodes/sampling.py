"""Drawing episodes: pure functions of a seed and of episode indices."""

import tensorflow as tf

from kerasmeta.utils.split_mix import integers
from kerasmeta.utils.split_mix import stream_keys


def random_keys(seed, indices, stream, size):
    """Return `size` random integers for each episode, `[B, size]`."""
    seeds = tf.fill(tf.shape(indices), tf.constant(seed, "int64"))
    return integers(stream_keys(seeds, indices, salt=stream), size)


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
    batch = tf.shape(indices)[0]
    ways, drawn = spec.ways, spec.examples_per_class
    longest = class_index.longest
    classes = choose(
        random_keys(seed, indices, 0, class_index.num_classes), ways
    )  # (B, N)
    keys = random_keys(seed, indices, 1, ways * longest)
    positions = choose(
        tf.reshape(keys, [batch, ways, longest]),
        drawn,
        population=tf.gather(class_index.sizes, classes),
    )  # (B, N, shots + queries)
    starts = tf.gather(class_index.starts, classes)[..., None]
    ids = tf.gather(class_index.ids, starts + tf.cast(positions, "int64"))
    support = _shuffle(ids[..., : spec.shots], seed, indices, stream=2)
    query = _shuffle(ids[..., spec.shots :], seed, indices, stream=3)
    return support, query


def _shuffle(ids, seed, indices, stream):
    """Flatten `[B, N, K]` ids in random order, with their labels."""
    ways, shots = ids.shape[1:]
    size = ways * shots
    order = choose(random_keys(seed, indices, stream, size), size)
    flat = tf.reshape(ids, [-1, size])
    return tf.gather(flat, order, batch_dims=1), order // shots
