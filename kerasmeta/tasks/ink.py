"""From the path of a pen to a picture."""

import math

import tensorflow as tf

from kerasmeta.utils.split_mix import stream_keys
from kerasmeta.utils.split_mix import uniforms

IMAGE_SIZE = 28
_BLUR = 0.75  # Pixels; the standard deviation of the pen's tip.


def inked(points, drawn, drawer_ids):
    """Draw the path of the pen in the style of a drawer.

    A drawer has one slant, rotation, aspect, size, place and pen for every
    character.

    Args:
        points: Tensor of shape `(N, S, P, 2)` in any units.
        drawn: Tensor of shape `(N, S)`, 0.0 for strokes to leave out.
        drawer_ids: int64 tensor of shape `(N,)`.

    Returns:
        Images of shape `(N, 28, 28, 1)`, ink 1.0 on 0.0.
    """
    style = uniforms(stream_keys(drawer_ids, salt=3), 7)
    # Strokes left out shrink to a point of the character, out of the way.
    points = tf.where(drawn[..., None, None] > 0, points, points[:, :1, :1])
    points = _framed(_slanted(points, style), style)
    # Weighting points by how far the pen moved makes the ink even, however
    # fast the pen was.
    moves = tf.norm(points[:, :, 1:] - points[:, :, :-1], axis=-1)
    moves = tf.concat([moves[:, :, :1], moves], axis=2) * drawn[..., None]
    ink = _line_density(points, moves)  # (N, 28, 28)
    pen = 1.2 + 2.0 * style[:, 6]
    return 1 - tf.exp(-pen[:, None, None, None] * ink[..., None] ** 2)


def _slanted(points, style):
    angle, slant, aspect = tf.unstack(2 * style[:, :3] - 1, axis=1)
    angle, slant, aspect = 0.25 * angle, 0.3 * slant, tf.exp(0.2 * aspect)
    cos, sin = tf.cos(angle), tf.sin(angle)
    # Rotation after slant after aspect.
    rows = [cos * aspect, cos * slant - sin, sin * aspect, sin * slant + cos]
    matrix = tf.reshape(tf.stack(rows, axis=1), [-1, 1, 2, 2])
    return tf.matmul(points, matrix, transpose_b=True)


def _framed(points, style):
    """Scale to 16 to 22 pixels and put the centre near the middle."""
    low = tf.reduce_min(points, axis=[1, 2], keepdims=True)
    high = tf.reduce_max(points, axis=[1, 2], keepdims=True)
    side = tf.reduce_max(high - low, axis=3, keepdims=True)
    size = 16 + 6 * style[:, 3][:, None, None, None]
    shift = 2.5 * (2 * style[:, 4:6] - 1)[:, None, None, :]
    middle = (IMAGE_SIZE - 1) / 2
    return (points - (low + high) / 2) * size / side + middle + shift


def _line_density(points, moves):
    """Blur lines; 1 in the middle of a long line.

    A Gaussian of x and y is one of x times one of y, so the sum over points
    is a matrix product.
    """
    count = points.shape[1] * points.shape[2]
    scale = 1 / (_BLUR * math.sqrt(2))
    points = tf.reshape(points * scale, [-1, count, 2])
    pixels = tf.range(IMAGE_SIZE, dtype="float32") * scale
    x, y = points[:, :, :1], points[:, None, :, 1]
    columns = tf.exp(-tf.math.squared_difference(x, pixels))  # (N, S * P, 28)
    rows = tf.exp(-tf.math.squared_difference(y, pixels[:, None]))
    rows *= tf.reshape(moves, [-1, 1, count]) * (scale / math.sqrt(math.pi))
    return tf.matmul(rows, columns)
