"""Episodes from folders of images."""

from kerasmeta.episodes.array_source import array_loader
from kerasmeta.episodes.cache_limit import cache_limit
from kerasmeta.episodes.class_folders import labelled_files
from kerasmeta.episodes.class_index import ClassIndex
from kerasmeta.episodes.images.image_reader import ImageReader
from kerasmeta.episodes.images.image_size import INTERPOLATIONS
from kerasmeta.episodes.images.image_size import check_image_size
from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.episodes.rotations import with_rotations
from kerasmeta.episodes.source import Source
from kerasmeta.utils import check_choice

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}


def image_episodes_from_directory(
    directory,
    spec,
    batch_size=4,
    seed=0,
    num_episodes=None,
    image_size=(84, 84),
    color_mode="rgb",
    interpolation="bilinear",
    classes=None,
    class_rotations=False,
    cache="auto",
    **options,
):
    """Make a dataset of episodes from folders of images, one folder a class.

    Use it for pictures of your own, and for sets that come as files, such as
    Omniglot or mini-ImageNet. A folder that directly holds images is a class;
    its name is its path below `directory`, as in `"Greek/character01"`. The
    folder above it is its group, here the alphabet `"Greek"`, for a spec with
    `within_groups=True`; classes that lie directly in `directory` have no
    groups.

    Images are PNG, JPEG, BMP or GIF files (of GIFs the first frame) and become
    float32 in the range 0 to 255, as with
    `keras.utils.image_dataset_from_directory`: put a `keras.layers.Rescaling`
    into the network. Like there, images of another size are resized without
    regard to their proportions. PNG files of 16 bits and BMP files with a
    palette are errors. Hidden files, `Thumbs.db`, `ehthumbs.db`, `desktop.ini`
    and `__MACOSX` are ignored; any other file is an error.

    Args:
        directory: Folder to look in.
        spec: `EpisodeSpec`, the size of an episode, or `Curriculum`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        image_size: `(height, width)`; images of another size are resized.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"`: 1, 3 or 4 channels.
        interpolation: How to resize: `"bilinear"`, `"nearest"`, `"bicubic"`,
            `"area"`, `"lanczos3"`, `"lanczos5"`, `"gaussian"` or
            `"mitchellcubic"`. To make images much smaller, take `"area"`:
            the others skip pixels, and thin lines break.
        classes: List of the names of the classes to keep, for splits without
            common classes; by default all.
        class_rotations: Whether images turned by 90, 180 and 270 degrees are
            classes of their own.
        cache: Whether to decode all images now and hold them in memory, as
            uint8 if none is resized, else as float32; otherwise they are
            decoded each time they are drawn. `"auto"` holds them if they take
            less than 256 MB. Values are the same either way.
        **options: `augment_support`, `augment_query`, `first_episode` and
            `shard`, as for `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)` as of
        `episodes_from_arrays`, with `"support_x"` `[T, S, height, width,
        channels]`.

    Raises:
        ValueError: If the folders are not as above, `classes` names a class
            that there is not, there are too few classes or images in a class,
            an image cannot be decoded, or an argument is not what it should
            be. With `cache=False` it is the iteration that raises, a
            `tf.errors.InvalidArgumentError`, for images that cannot be decoded.

    Example:

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> for path in ["cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"]:
    ...     path = pathlib.Path(folder.name) / path
    ...     path.parent.mkdir(exist_ok=True)
    ...     image = tf.ones([32, 32, 3], "uint8")
    ...     _ = path.write_bytes(tf.io.encode_png(image).numpy())
    >>> spec = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)
    >>> data = km.episodes.image_episodes_from_directory(
    ...     folder.name, spec, batch_size=3, image_size=(28, 28)
    ... )
    >>> episodes, query_y = next(iter(data))
    >>> episodes["support_x"].shape
    TensorShape([3, 2, 28, 28, 3])
    >>> folder.cleanup()
    """
    check_choice("color_mode", color_mode, tuple(_CHANNELS))
    check_choice("interpolation", interpolation, INTERPOLATIONS)
    limit = cache_limit(cache)
    image_size = check_image_size(image_size)
    paths, labels, groups = labelled_files(directory, _SUFFIXES, classes)
    reader = ImageReader(
        paths, image_size, _CHANNELS[color_mode], interpolation
    )
    images = reader.read_all(limit)
    load = reader.load if images is None else array_loader(images)
    source = Source(ClassIndex(labels, groups), load, name="the images")
    if class_rotations:
        source = with_rotations(source)
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )
