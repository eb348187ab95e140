"""Features of all examples, computed once."""

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.episodes.array_checks import check_arrays
from kerasmeta.episodes.array_checks import check_numbers
from kerasmeta.episodes.array_checks import to_array
from kerasmeta.episodes.array_source import as_example
from kerasmeta.utils import check_positive_int


def embed(backbone, data, batch_size=256):
    """Embed all examples with a backbone, once.

    Use it to judge a frozen backbone on thousands of episodes: an example of a
    test set is drawn again and again, and embedding it each time takes nearly
    all of the time. Episodes over features take the same learners, around a
    backbone that changes nothing, the same `evaluate`, and the same seeds.

    Features are those of inference: BatchNormalization uses its moving
    statistics, and dropout does nothing.

    Args:
        backbone: Built `keras.Model` from examples to features.
        data: Examples, an array `[num_examples, ...]`, or a dictionary or
            tuple of arrays, converted as `episodes_from_arrays` does; an array
            may also hold strings, `[num_examples]` or `[num_examples, ...]`,
            or be a list of them; or a `tf.data.Dataset` of batches of
            examples, or of `(examples, labels)`, such as
            `image_dataset_from_directory(shuffle=False)`.
        batch_size: Number of examples to embed at a time. A dataset has its
            own.

    Returns:
        Features, a float32 NumPy array `[num_examples, ...]`, for
        `km.episodes.episodes_from_arrays`. For a dataset with labels,
        `(features, labels)`.

    Raises:
        ValueError: If there are no examples, they are neither what
            `episodes_from_arrays` takes nor strings, or a dataset is endless.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(60, 28, 28, 1))
    >>> y = np.repeat(np.arange(6), 10)
    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8)
    >>> features = km.evaluation.embed(backbone, x)
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.episodes.episodes_from_arrays(
    ...     features, y, spec, batch_size=20, num_episodes=200
    ... )
    >>> inputs = keras.Input(features.shape[1:])
    >>> identity = keras.Model(inputs, inputs)
    >>> learner = km.learners.ProtoNet(identity)
    >>> learner.compile(
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> sorted(learner.evaluate(episodes, verbose=0, return_dict=True))
    ['accuracy', 'accuracy_ci95', 'loss']
    """
    if not callable(backbone):
        raise ValueError(
            "`backbone` must be a built `keras.Model` from examples to "
            f"features. Received: backbone={backbone!r}"
        )
    run = tf.function(
        lambda x: tf.cast(backbone(x, training=False), "float32"),
        reduce_retracing=True,
    )
    if isinstance(data, tf.data.Dataset):
        return _embed_dataset(run, data)
    arrays = _check_examples(data)
    size = check_positive_int("batch_size", batch_size)
    count = len(tf.nest.flatten(arrays)[0])
    features = [
        run(_batch(arrays, start, size)).numpy()
        for start in range(0, count, size)
    ]
    return np.concatenate(features)


def _check_examples(data):
    first = data
    while isinstance(first, (dict, tuple)) and first:
        first = first[next(iter(first)) if isinstance(first, dict) else 0]
    is_vector = isinstance(first, (list, dict, tuple)) or np.ndim(first)
    count = len(first) if is_vector else 1
    if not count:
        raise ValueError(
            "`data` must hold at least one example. "
            f"Received: data.shape={np.shape(first)}"
        )
    return check_arrays(data, count, "data", _check_array)


def _check_array(array, num_examples, name):
    """Return an array of numbers or strings, or say what is wrong with it."""
    if isinstance(array, np.memmap) or not _begins_with_string(array):
        return check_numbers(array, num_examples, name)
    strings = np.array(array, dtype=object)
    if strings.ndim < 1 or len(strings) != num_examples:
        raise ValueError(
            f"`{name}` must be an array of as many examples as the others, "
            f"{num_examples}. Received: {name}.shape={strings.shape}"
        )
    for value in strings.flat:
        if not isinstance(value, (str, bytes)):
            raise ValueError(
                f"`{name}` must hold either strings or numbers. Drop or fill "
                f"what is neither. Received: {value!r} among strings"
            )
    return strings


def _begins_with_string(array):
    array = to_array(array)
    is_object = array.dtype.kind == "O" and array.size
    first = array.flat[0] if is_object else None
    return array.dtype.kind in "UST" or isinstance(first, (str, bytes))


def _batch(arrays, start, size):
    return tf.nest.map_structure(
        lambda array: as_example(
            tf.convert_to_tensor(
                # Also of an `np.memmap`, of which no more is read than this.
                np.ascontiguousarray(array[start : start + size])
            )
        ),
        arrays,
    )


def _embed_dataset(run, dataset):
    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "`data` must be a dataset that ends. Take the `repeat()` away, or "
            f"use `take`. Received: data={dataset}"
        )
    features, labels = [], []
    for batch in dataset:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        features.append(run(tf.nest.map_structure(as_example, x)).numpy())
        labels.append(y)
    if not features:
        raise ValueError(
            "`data` must hold at least one batch of examples. "
            f"Received: data={dataset}, which is empty"
        )
    features = np.concatenate(features)
    if labels[0] is None:
        return features
    return features, np.concatenate([label.numpy() for label in labels])
