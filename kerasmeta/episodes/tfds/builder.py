"""Episodes from TensorFlow Datasets."""

import tensorflow_datasets as tfds

from kerasmeta.episodes.cache_limit import cache_limit
from kerasmeta.episodes.images.image_size import INTERPOLATIONS
from kerasmeta.episodes.images.image_size import check_image_size
from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.episodes.rotations import with_rotations
from kerasmeta.episodes.tfds.tfds_source import tfds_source
from kerasmeta.utils import check_choice


def episodes_from_tfds(
    name_or_builder,
    spec,
    batch_size=4,
    seed=0,
    num_episodes=None,
    split="train",
    class_key="label",
    example_key="image",
    group_key=None,
    classes=None,
    class_rotations=False,
    data_dir=None,
    cache="auto",
    image_size=None,
    interpolation="bilinear",
    **options,
):
    """Make a dataset of episodes from a data set of TensorFlow Datasets.

    Use it for the data sets that TFDS can download, such as `"omniglot"` and
    `"cifar100"`, and for those you prepared with it. Episodes are drawn at
    random from the whole split: examples are held in memory, or read from
    where they lie on the disk; there is no shuffle buffer.

    Meta-learning is judged on classes it has never seen. Where the splits of a
    data set have classes in common, as those of CIFAR-100 have, keep other
    `classes` for each purpose; a part of a split, as `"train[:80%]"`, holds
    other examples of the same classes.

    Args:
        name_or_builder: Name of the data set, which is downloaded at its first
            use as `tfds.load` does, or a `tfds.core.DatasetBuilder` whose data
            are prepared, as of `tfds.builder_from_directory`. The format must
            be `tfrecord`, on a local disk, or `array_record`.
        spec: `EpisodeSpec` with `ways`, the size of an episode, or
            `Curriculum`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        split: Split as TFDS takes it, but no list: `"train"`, `"test[:50%]"`,
            `"train+test"`.
        class_key: Name of the feature that is the class: one number or string.
        example_key: Name of the feature that is the example, or a dictionary
            or tuple of names for a network of several inputs.
        group_key: Name of the feature that is the group, for
            `spec.within_groups`, or `None`.
        classes: List of the classes to keep, by name or number; by default all.
        class_rotations: Whether images turned by 90, 180 and 270 degrees are
            classes of their own.
        data_dir: Folder of TFDS for a name, by default `~/tensorflow_datasets`.
        cache: Whether to hold all examples in memory; otherwise they are read
            and decoded each time they are drawn. `"auto"` holds them if they
            take less than 256 MB decoded. Values are the same either way.
        image_size: `(height, width)` to resize images to, needed where images
            differ in size; by default they stay as they are.
        interpolation: How to resize, as for `image_episodes_from_directory`.
        **options: `augment_support`, `augment_query`, `first_episode` and
            `shard`, as for `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)` as of
        `episodes_from_arrays`: images become float32 in the range 0 to 255.

    Raises:
        ValueError: If the data are not prepared or a file of them is broken,
            there is no such split, feature or class, examples have several
            shapes, hold NaN or have no class, there are too few classes or
            examples in a class, or an argument is not what it should be.

    Example:

    >>> import tempfile
    >>> import tensorflow_datasets as tfds
    >>> folder = tempfile.TemporaryDirectory()
    >>> features = tfds.features.FeaturesDict(
    ...     {
    ...         "image": tfds.features.Image(shape=(28, 28, 1)),
    ...         "label": tfds.features.ClassLabel(names=["cat", "dog", "eel"]),
    ...     }
    ... )
    >>> image = np.zeros((28, 28, 1), "uint8")
    >>> examples = [(i, {"image": image, "label": i % 3}) for i in range(30)]
    >>> builder = tfds.dataset_builders.store_as_tfds_dataset(
    ...     name="animals",
    ...     version="1.0.0",
    ...     features=features,
    ...     split_datasets={"train": examples},
    ...     data_dir=folder.name,
    ... )
    Downloading and preparing dataset ...
    Dataset animals downloaded and prepared to ...
    >>> spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=3)
    >>> data = km.episodes.episodes_from_tfds(
    ...     builder, spec, split="train[:80%]", classes=["cat", "eel"]
    ... )
    >>> episodes, query_y = next(iter(data))
    >>> episodes["support_x"].shape, query_y.shape
    (TensorShape([4, 2, 28, 28, 1]), TensorShape([4, 6]))
    >>> folder.cleanup()
    """
    if getattr(spec, "is_regression", False):
        raise ValueError(
            "Data sets of TFDS have classes, and no regression tasks: give the "
            "spec a number of `ways`. For regression, load arrays with "
            f"`tfds.as_numpy` for `episodes_from_arrays`. Received: spec={spec}"
        )
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    if image_size is not None:
        image_size = check_image_size(image_size)
    source = tfds_source(
        _prepare(name_or_builder, data_dir),
        split,
        class_key,
        example_key,
        group_key,
        classes,
        image_size,
        interpolation,
        cache_limit(cache),
    )
    if class_rotations:
        source = with_rotations(source)
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )


def _prepare(name_or_builder, data_dir):
    if isinstance(name_or_builder, str):
        builder = tfds.builder(name_or_builder, data_dir=data_dir)
        builder.download_and_prepare()
        return builder
    if data_dir is not None:
        raise ValueError(
            "`data_dir` is for names; a builder has its own. "
            f"Received: data_dir={data_dir!r}"
        )
    if isinstance(name_or_builder, tfds.core.DatasetBuilder):
        return name_or_builder
    raise ValueError(
        "`name_or_builder` must be the name of a TFDS data set or a "
        "`tfds.core.DatasetBuilder`. (A `tf.data.Dataset` cannot be drawn from "
        "at random: `store_as_tfds_dataset` makes a data set of it.) "
        f"Received: name_or_builder={name_or_builder!r}"
    )
