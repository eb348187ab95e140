"""Episodes of pixels: an image is a function to learn from a few of them."""

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.class_index import ClassIndex
from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.episodes.source import Source
from kerasmeta.utils import check_positive_int


def episodes_from_pixels(
    images, spec, batch_size=4, seed=0, num_episodes=None, **options
):
    """Make a dataset of episodes that each fill in the pixels of one image.

    Use it with neural processes. An image is a regression task: from the
    coordinates of a pixel, `pixel_coordinates`, to its intensities. Some pixels
    are the support set and others the queries, none of them twice. Split the
    *images* to train and to test. An index of all pixels is held in memory, 16
    bytes for each.

    Args:
        images: Array `[n, height, width, channels]`, or `[n, height, width]`.
            Integers of 8 bits become intensities in 0..1, floats stay as they
            are.
        spec: `EpisodeSpec` without `ways`, such as `EpisodeSpec(shots=(10,
            200), queries=100)`, or `Curriculum`.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        **options: As in `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)`: `"support_x"` are
        coordinates `[T, S, 2]`, `"support_y"` intensities `[T, S, channels]`,
        queries likewise, all float32, with masks where `spec` varies.

    Raises:
        ValueError: If `images` are no such array, or an image has fewer pixels
            than an episode takes.

    Example:

    >>> images = np.random.default_rng(0).uniform(size=(10, 16, 16, 1))
    >>> spec = km.episodes.EpisodeSpec(shots=20, queries=50)
    >>> episodes = km.episodes.episodes_from_pixels(images, spec)
    >>> x, query_y = next(iter(episodes))
    >>> x["support_x"].shape, query_y.shape
    (TensorShape([4, 20, 2]), TensorShape([4, 50, 1]))
    """
    images = _check_images(images)
    count, height, width, channels = images.shape
    coordinates = tf.constant(pixel_coordinates(height, width))
    intensities = tf.constant(images.reshape(-1, channels))

    def load(ids):
        return tf.gather(coordinates, ids % (height * width))

    def load_targets(ids):
        return _in_unit(tf.gather(intensities, ids))

    index = ClassIndex(np.repeat(np.arange(count), height * width))
    source = Source(index, load, load_targets, "images")
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )


def pixel_coordinates(height, width):
    """Return the coordinates of all pixels of an image, row by row.

    Args:
        height: Number of rows.
        width: Number of columns.

    Returns:
        float32 `[height * width, 2]`: row and column, each from -1 to 1.

    Example:

    >>> km.episodes.pixel_coordinates(2, 3)[:3].tolist()
    [[-1.0, -1.0], [-1.0, 0.0], [-1.0, 1.0]]
    """
    height = check_positive_int("height", height)
    width = check_positive_int("width", width)
    axes = [np.linspace(-1, 1, size) for size in (height, width)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return grid.reshape(-1, 2).astype("float32")


def _in_unit(values):
    if values.dtype == tf.uint8:
        return tf.cast(values, "float32") / 255
    return values


def _check_images(images):
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    is_number = images.dtype == np.uint8 or images.dtype.kind == "f"
    if images.ndim != 4 or not is_number or not images.size:
        raise ValueError(
            "`images` must be uint8 or floats, `[n, height, width]` or "
            "`[n, height, width, channels]`. Received: images of shape "
            f"{images.shape} and dtype {images.dtype}"
        )
    if images.dtype == np.uint8:
        return images
    if not np.isfinite(images).all():
        raise ValueError(
            "`images` hold NaN or infinity. Received: "
            f"{np.sum(~np.isfinite(images))} such pixels"
        )
    return images.astype("float32")
