"""Episodes from arrays in memory."""

import tensorflow as tf

from kerasmeta.episodes.array_checks import check_arrays
from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.episodes.class_index import ClassIndex
from kerasmeta.episodes.episode_spec import EpisodeSpec
from kerasmeta.episodes.pipeline import episode_indices
from kerasmeta.episodes.sampling import draw_episodes
from kerasmeta.utils import check_seed


def episodes_from_arrays(x, y, spec, batch_size=4, seed=0, num_episodes=None):
    """Make a dataset of N-way K-shot episodes from labelled arrays.

    Each episode draws `spec.ways` classes and `spec.shots + spec.queries`
    examples of each, all without replacement, numbers the classes
    `0..ways-1` in random order, and shuffles support and query. It is a pure
    function of `(seed, index)`: iterate again, on another machine or with
    another `batch_size`, and episode 17 is the same.

    The arrays are copied once. Integers of 8 or 16 bits stay as they are in
    memory and become float32 *after* the examples of an episode are gathered,
    without rescaling, as `keras.utils.image_dataset_from_directory` does: put
    a `keras.layers.Rescaling` into the network where scale matters, and the
    saved model will see what it was trained on. Integers of 32 or 64 bits
    (token ids) keep their dtype; everything else becomes float32.

    Args:
        x: Examples, an array `[num_examples, ...]`, or a dictionary or tuple
            of such arrays for a network of several inputs.
        y: Class of each example, integers or strings, `[num_examples]` or
            `[num_examples, 1]`.
        spec: `EpisodeSpec`, the size of an episode.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
            With a number, the dataset yields these same episodes each time.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)`: a dictionary with
        `"support_x"` `[T, S, ...]`, `"support_y"` `[T, S]`, `"query_x"`
        `[T, Q, ...]`, and int32 labels `[T, Q]`, where `S = ways * shots` and
        `Q = ways * queries`.

    Raises:
        ValueError: If `x` and `y` do not match, `x` holds NaN, infinity or
            no numbers, `y` holds no classes, there are too few classes or too
            few examples in a class, or an argument is not what it should be.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(100, 28, 28, 1))
    >>> y = np.repeat(np.arange(10), 10)
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> data = km.episodes.episodes_from_arrays(x, y, spec, batch_size=2)
    >>> episodes, query_y = next(iter(data))
    >>> episodes["support_x"].shape, query_y.shape
    (TensorShape([2, 5, 28, 28, 1]), TensorShape([2, 15]))
    """
    if not isinstance(spec, EpisodeSpec):
        raise ValueError(
            "`spec` must be an `EpisodeSpec(ways=, shots=, queries=)`. "
            f"Received: spec={spec!r}"
        )
    seed = check_seed(seed)
    labels = check_labels(y)
    arrays = check_arrays(x, num_examples=len(labels))
    class_index = ClassIndex(labels)
    class_index.check_spec(spec)
    # Eager tensors are captured by reference: no copy in the graph.
    tensors = tf.nest.map_structure(tf.convert_to_tensor, arrays)

    def load(ids):
        return tf.nest.map_structure(lambda t: _gather(t, ids), tensors)

    def draw(indices):
        (support_ids, support_y), (query_ids, query_y) = draw_episodes(
            class_index, spec, seed, indices
        )
        episodes = {
            "support_x": load(support_ids),
            "support_y": support_y,
            "query_x": load(query_ids),
        }
        return episodes, query_y

    indices, options = episode_indices(batch_size, num_episodes)
    dataset = indices.batch(**options)
    dataset = dataset.map(draw, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    # `fit` uses it to tell a head of the wrong width before it trains.
    dataset.episode_spec = spec
    return dataset


def _gather(tensor, ids):
    examples = tf.gather(tensor, ids)
    is_token = tensor.dtype.is_integer and tensor.dtype.size >= 4
    return examples if is_token else tf.cast(examples, "float32")
