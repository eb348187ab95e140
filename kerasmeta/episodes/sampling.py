"""Drawing episodes: pure functions of a seed and of episode indices."""

import tensorflow as tf

from kerasmeta.episodes.episode_sizes import draw_integers
from kerasmeta.episodes.episode_sizes import meta_dataset_sizes
from kerasmeta.episodes.episode_sizes import uniform_sizes
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
        Distinct positions, an int32 tensor `[..., size]`; those that do not
        exist come last.
    """
    if population is not None:
        exists = tf.range(tf.shape(keys)[-1]) < population[..., None]
        keys = tf.where(exists, keys, tf.constant(-1, keys.dtype))
    return tf.math.top_k(keys, k=size).indices


def is_few(size, most):
    """Return whether `choose_few` beats `choose` for `size` of `most`."""
    return most > 32 * size


def choose_few(keys, size, population):
    """Choose a few of many, in time that does not depend on how many.

    Reference: Floyd's algorithm, in Bentley and Floyd, 1987, "Programming
    pearls: a sample of brilliance", Communications of the ACM 30 (9).

    Args:
        keys: Random non-negative integers, `[..., 2 * size]`.
        size: How many positions to choose.
        population: Number of positions that exist, `[...]`, at least `size`.

    Returns:
        Distinct positions in uniformly random order, int32 `[..., size]`.
    """
    picked = tf.zeros_like(keys[..., :0])
    first = tf.cast(population, keys.dtype) - size
    for i in range(size):
        pick = keys[..., i] % (first + i + 1)
        is_taken = tf.reduce_any(picked == pick[..., None], axis=-1)
        pick = tf.where(is_taken, first + i, pick)
        picked = tf.concat([picked, pick[..., None]], axis=-1)
    # Floyd's set is uniform, but its order is not.
    order = choose(keys[..., size:], size)
    shuffled = tf.gather(picked, order, batch_dims=order.shape.rank - 1)
    return tf.cast(shuffled, "int32")


def draw_episodes(candidates, spec, seed, indices):
    """Draw the examples of a batch of episodes.

    Args:
        candidates: `Candidates` of the data.
        spec: `EpisodeSpec`.
        seed: Python integer.
        indices: Episode indices, an int64 tensor `[B]`.

    Returns:
        `(support, query)`, each `(ids, labels, mask)`: example ids (int64),
        labels `0..ways-1` (int32) and which of them are real (bool, or `None`
        if all are), `[B, S]` or `[B, Q]`. The order within each is random, so
        that it tells nothing of the labels; padding comes last.
    """
    ways = spec.max_ways
    class_keys, example_keys, support_keys, query_keys, size_keys = random_keys(
        seed,
        indices,
        candidates.num_class_keys,
        ways * candidates.num_example_keys,
        ways * spec.max_shots,
        ways * spec.max_queries,
        # The sizes come last: a spec that needs none draws as if they were
        # not there.
        2 + 2 * ways,
    )
    classes, is_class = _choose_classes(
        candidates, spec, indices, class_keys, size_keys[:, :2]
    )  # (B, N)
    class_sizes = tf.gather(candidates.sizes, classes)
    example_keys = tf.reshape(
        example_keys, [-1, ways, candidates.num_example_keys]
    )
    choose_examples = choose_few if candidates.few_examples else choose
    positions = choose_examples(
        example_keys, candidates.examples_per_class, class_sizes
    )  # (B, N, shots + queries)
    starts = tf.gather(candidates.starts, classes)[..., None]
    last = tf.cast(tf.shape(candidates.ids)[0] - 1, "int64")
    places = tf.minimum(starts + tf.cast(positions, "int64"), last)
    ids = tf.gather(candidates.ids, places)
    if not spec.varies:
        support = _shuffle(ids[..., : spec.shots], support_keys)
        query = _shuffle(ids[..., spec.shots :], query_keys)
        return (*support, None), (*query, None)
    keys = tf.reshape(size_keys[:, 2:], [-1, ways, 2])
    if spec.rule == "meta_dataset":
        shots, queries = meta_dataset_sizes(spec, is_class, keys, class_sizes)
    else:
        shots, queries = uniform_sizes(spec, indices, keys, class_sizes)
    query_ids, is_query = _slots(ids, 0, queries, spec.max_queries)
    support_ids, is_support = _slots(ids, queries, shots, spec.max_shots)
    real = is_class[..., None]
    return (
        _shuffle(
            support_ids, support_keys, is_support & real, spec.support_size
        ),
        _shuffle(query_ids, query_keys, is_query & real, spec.query_size),
    )


def _choose_classes(candidates, spec, indices, class_keys, keys):
    """Return the classes of each episode, and which are real, `[B, N]`."""
    group = draw_integers(keys[:, 0], 0, candidates.num_groups - 1)
    population = tf.gather(candidates.group_sizes, group)  # (B,)
    size = min(spec.max_ways, candidates.most_classes)
    choose_classes = choose_few if candidates.few_classes else choose
    positions = choose_classes(class_keys, size, population)
    positions = tf.pad(positions, [[0, 0], [0, spec.max_ways - size]])
    low, high = spec.ranges("ways", indices)
    high = tf.minimum(high, population[:, None])
    ways = draw_integers(keys[:, 1:], low, high)  # (B, 1)
    is_class = tf.range(spec.max_ways) < ways
    starts = tf.gather(candidates.group_starts, group)[:, None]
    return tf.where(is_class, starts + positions, 0), is_class


def _slots(ids, first, count, size):
    """Return `ids[first : first + count]` of each class, padded to `size`."""
    first = tf.broadcast_to(first, tf.shape(count))
    slots = tf.range(size)
    places = tf.minimum(first[..., None] + slots, ids.shape[-1] - 1)
    return tf.gather(ids, places, batch_dims=2), slots < count[..., None]


def _shuffle(ids, keys, mask=None, size=None):
    """Flatten `[B, N, K]` ids in random order, with labels and mask."""
    ways, shots = ids.shape[1:]
    flat = tf.reshape(ids, [-1, ways * shots])
    if mask is None:
        order = choose(keys, ways * shots)
        return tf.gather(flat, order, batch_dims=1), order // shots
    mask = tf.reshape(mask, [-1, ways * shots])
    # Key -1 comes last: real examples are a prefix of random order.
    order = choose(tf.where(mask, keys, -1), size)
    mask = tf.gather(mask, order, batch_dims=1)
    # Padding repeats an example, which is finite, under label 0.
    labels = tf.where(mask, order // shots, 0)
    return tf.gather(flat, order, batch_dims=1), labels, mask
