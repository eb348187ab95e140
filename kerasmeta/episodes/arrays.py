"""Episodes from arrays in memory, or mapped from a file."""

import numpy as np

from kerasmeta.episodes.array_source import array_source
from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.episodes.rotations import with_rotations


def episodes_from_arrays(
    x,
    y,
    spec,
    batch_size=4,
    seed=0,
    num_episodes=None,
    groups=None,
    class_rotations=False,
    **options,
):
    """Make a dataset of episodes from labelled arrays.

    Each episode draws `spec.ways` classes and `spec.shots + spec.queries`
    examples of each, all without replacement, numbers the classes
    `0..ways-1` in random order, and shuffles support and query. It is a pure
    function of `(seed, index)`: iterate again, on another machine or with
    another `batch_size`, and episode 17 is the same.

    With a spec without `ways`, each of the `groups` is a regression task: an
    episode draws one, and `spec.shots + spec.queries` examples of it with
    their targets `y`.

    Episodes of a spec that varies are padded to its largest sizes. They have
    two masks, `"support_mask"` `[T, S]` and `"query_mask"` `[T, Q]`, true for
    what is real; padding comes last. Learners leave padding out of losses,
    metrics, and the statistics of BatchNormalization.

    Arrays are copied once, but for an `np.memmap`, which is read where it is.
    Integers of 8 or 16 bits stay as they are in memory and become float32
    *after* the examples of an episode are gathered, without rescaling, as
    `keras.utils.image_dataset_from_directory` does: put a
    `keras.layers.Rescaling` into the network where scale matters, and the saved
    model will see what it was trained on. Integers of 32 or 64 bits (token ids)
    keep their dtype; everything else becomes float32.

    Args:
        x: Examples, an array `[num_examples, ...]`, a `DataFrame` of numbers,
            or a dictionary or tuple of such arrays for a network of several
            inputs.
        y: Class of each example, integers or strings, `[num_examples]` or
            `[num_examples, 1]`; for regression, its target, `[num_examples]`
            or `[num_examples, ...]`.
        spec: `EpisodeSpec`, the size of an episode, or `Curriculum`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
            With a number, the dataset yields these same episodes each time.
        groups: Group of each example, for `spec.within_groups` and for
            regression, `[num_examples]`.
        class_rotations: Whether images turned by 90, 180 and 270 degrees are
            classes of their own.
        **options: `augment_support`, `augment_query`: functions `(example,
            seed) -> example` that change each example at random;
            `first_episode`: index to begin with; `shard`: `(worker, number of
            workers)`, for every so-manieth episode.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)`: a dictionary with
        `"support_x"` `[T, S, ...]`, `"support_y"` `[T, S]`, `"query_x"`
        `[T, Q, ...]` (and masks), and int32 labels `[T, Q]`, where
        `S = ways * shots` and `Q = ways * queries`. For regression, `S = shots`
        and `Q = queries`, and targets are float32.

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
    if getattr(spec, "is_regression", False):
        source = array_source(x, _check_groups(groups), targets=_targets(y))
    else:
        source = array_source(x, y, groups)
    if class_rotations:
        source = with_rotations(source)
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )


def _check_groups(groups):
    if groups is None:
        raise ValueError(
            "Regression tasks are groups of examples: pass `groups=`, the "
            "task of each example, or give the spec a number of `ways`. "
            "Received: groups=None"
        )
    return groups


def _targets(y):
    y = np.asarray(y)
    return y[:, None] if y.ndim == 1 else y
