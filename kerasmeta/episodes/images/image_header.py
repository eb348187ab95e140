"""What the first bytes of an image file say of it."""

import tensorflow as tf

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# Palette of a BMP whose numbers are shades of grey: blue, green, red, unused.
_GREYS = b"".join(bytes([i, i, i, 0]) for i in range(256))
_HEAD = 54 + len(_GREYS)


def is_misread(data):
    """Return whether TensorFlow decodes an image to wrong values, in a graph.

    Of PNG with 16 bits it drops the lower ones; of BMP with a palette it
    returns numbers of colours, which are right only if those are the greys.
    """
    # Filled up, for there are broken files that end within the header.
    head = tf.strings.join([tf.strings.substr(data, 0, _HEAD), b"\0" * _HEAD])

    def has(start, expected):
        part = tf.strings.substr(head, start, len(expected))
        return tf.equal(part, expected)

    is_deep = has(0, _PNG) & has(24, b"\x10")
    is_old = has(14, b"\x0c")  # Has its number of bits elsewhere.
    has_palette = has(28, b"\1\0") | has(28, b"\4\0") | has(28, b"\x08\0")
    is_grey = has(14, b"\x28") & has(28, b"\x08\0\0\0\0\0") & has(54, _GREYS)
    return is_deep | (has(0, b"BM") & (is_old | (has_palette & ~is_grey)))


def is_cmyk(data):
    """Return whether an image is a JPEG of four colours, in a graph."""
    return tf.cond(
        tf.equal(tf.strings.substr(data, 0, 2), _JPEG),
        lambda: tf.equal(tf.io.extract_jpeg_shape(data)[2], 4),
        lambda: tf.constant(False),
    )
