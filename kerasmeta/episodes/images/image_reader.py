"""Images that are decoded when they are needed."""

import os

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.error_reason import error_reason
from kerasmeta.episodes.images.image_header import is_cmyk
from kerasmeta.episodes.images.image_header import is_misread
from kerasmeta.episodes.python_load import python_load

_CHUNK = 256
# Types that TensorFlow does not decode to so many channels, by the bytes that
# their files begin with. They are decoded to three channels first.
_BY_WAY_OF_RGB = {1: [b"BM", b"GI"], 4: [b"GI", b"\xff\xd8"]}


class ImageReader:
    """Reads image files as arrays of one shape.

    Args:
        paths: Image files.
        image_size: `(height, width)` to resize to.
        channels: 1 (grey), 3 (RGB) or 4 (RGBA).
        interpolation: Method of `tf.image.resize`.
    """

    def __init__(self, paths, image_size, channels, interpolation):
        self.paths = np.array([os.fsencode(path) for path in paths], object)
        self.shape = (*image_size, channels)
        self.interpolation = interpolation

    def read(self, i):
        """Return image number `i` as float32.

        Raises:
            ValueError: If the file is not an image that can be decoded.
        """
        name = os.fsdecode(self.paths[i])
        try:
            # A pipeline may run on behalf of a GPU, which decodes nothing.
            with tf.device("CPU"):
                data = tf.io.read_file(self.paths[i])
                _check_kind(data, name)
                return self._decode(data)[0].numpy()
        except tf.errors.OpError as error:
            raise ValueError(
                "Images must be whole files of type PNG, JPEG, BMP or GIF, "
                "whatever they are called. Mend it, or remove it. Received: "
                f"{name!r}: {error_reason(error)}"
            ) from error

    def load(self, ids):
        """Return the images of ids `[n]` as float32, in a graph."""
        return self._load(ids)[0]

    def read_all(self, limit):
        """Return all images, or `None` if they take `limit` bytes or more.

        They are uint8 if none is resized, else float32.
        """
        size = len(self.paths) * int(np.prod(self.shape))
        if size >= limit:
            return None
        images = np.empty((len(self.paths), *self.shape), "uint8")
        ids = tf.data.Dataset.range(len(images)).batch(_CHUNK)
        chunks = ids.map(self._load, num_parallel_calls=tf.data.AUTOTUNE)
        chunks = chunks.as_numpy_iterator()
        for start in range(0, len(images), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(images)))
            chunk, is_whole = self._next(chunks, rows)
            if images.dtype == "uint8" and not is_whole.all():
                if 4 * size >= limit:
                    return None
                images = images.astype("float32")
            images[rows] = chunk
        return images

    def _next(self, chunks, rows):
        try:
            return next(chunks)
        except tf.errors.OpError:
            for i in rows:
                self.read(i)  # Raises what a person should see.
            raise

    def _load(self, ids):
        """Return images, and which of them are as they are in their files."""
        decoded = (
            tf.data.Dataset.from_tensor_slices(tf.gather(self.paths, ids))
            .map(
                lambda path: (*self._decode(tf.io.read_file(path)), True),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            .ignore_errors()
        )
        # What TensorFlow says of a broken file does not name it.
        broken = (tf.zeros(self.shape), False, False)
        decoded = decoded.concatenate(
            tf.data.Dataset.from_tensors(broken).repeat()
        )
        count = tf.size(ids, tf.int64)
        images, is_whole, is_good = (
            decoded.take(count).batch(count).get_single_element()
        )
        images = tf.cond(
            tf.reduce_all(is_good),
            lambda: images,
            lambda: python_load(self._read_each, ids, tf.float32),
        )
        images.set_shape([*ids.shape, *self.shape])
        return images, is_whole

    def _read_each(self, ids):
        return np.stack([self.read(i) for i in ids])

    def _decode(self, data):
        """Return an image, and whether it is as it is in the file."""
        # Nothing is no image: to decode it fails, as it should.
        data = tf.where(is_misread(data), b"", data)
        image = _to_channels(data, self.shape[2])
        is_whole = tf.reduce_all(tf.shape(image) == self.shape)
        image = tf.cond(
            is_whole,
            lambda: tf.cast(image, "float32"),
            lambda: tf.cast(
                tf.image.resize(image, self.shape[:2], self.interpolation),
                "float32",
            ),
        )
        return tf.ensure_shape(image, self.shape), is_whole


def _check_kind(data, name):
    if is_misread(data):
        raise ValueError(
            "PNG images must have 8 bits a channel or fewer, and BMP images "
            "no palette, or their values would be others than in the file. "
            f"Save it as a PNG of 8 bits. Received: {name!r}"
        )


def _to_channels(data, channels):
    """Decode an image to so many channels, whatever type it has."""
    heads = _BY_WAY_OF_RGB.get(channels)
    if heads is None:
        return _decode(data, channels)
    is_indirect = tf.reduce_any(tf.strings.substr(data, 0, 2) == heads)
    if channels == 1:
        is_indirect |= is_cmyk(data)
    return tf.cond(
        is_indirect,
        lambda: _from_rgb(_decode(data, 3), channels),
        lambda: _decode(data, channels),
    )


def _decode(data, channels):
    return tf.io.decode_image(data, channels, expand_animations=False)


def _from_rgb(image, channels):
    if channels == 1:
        return tf.image.rgb_to_grayscale(image)
    opaque = tf.fill(tf.shape(image[..., :1]), tf.constant(255, "uint8"))
    return tf.concat([image, opaque], axis=2)
