"""Characters as stroke programs: from ids to the path of a pen."""

import itertools
import typing

import tensorflow as tf

from kerasmeta.utils.split_mix import stream_keys
from kerasmeta.utils.split_mix import uniforms

_STROKES = 5
_PIECES = 3
_POINTS = 24
_DEGREES = 3.14159265 / 180.0


class _Program(typing.NamedTuple):
    """How to draw N characters; angles in degrees, lengths of about 1."""

    count: tf.Tensor  # (N,) of strokes, from 1 to 5
    lengths: tf.Tensor  # (N, 5, 3) of the pieces of a stroke
    turns: tf.Tensor  # (N, 5, 3) of the pen along a piece
    corners: tf.Tensor  # (N, 5, 3) of the pen before a piece
    joint: tf.Tensor  # (N, 5) where a stroke touches, 0 start to 1 end,
    parent: tf.Tensor  # (N, 5) an earlier stroke, 0 first to 1 latest,
    site: tf.Tensor  # (N, 5) and where on that one,
    gap: tf.Tensor  # (N, 5, 2) or how far from there


def pen_paths(class_ids, drawer_ids):
    """Return the path of the pen in drawings of classes by drawers.

    The class decides the program: how many strokes, and of each one three
    pieces of constant curvature, the corners between them, and where it
    touches an earlier stroke. The drawer follows the program with an unsteady
    hand: every number in it is jittered a little.

    Args:
        class_ids: int64 tensor of shape `(N,)`.
        drawer_ids: int64 tensor of shape `(N,)`.

    Returns:
        Points of shape `(N, 5, 24, 2)`, x to the right and y down, in
        arbitrary units, and a mask of shape `(N, 5)`: 1.0 for the strokes
        that the character has.
    """
    program = _jittered(_program(class_ids), class_ids, drawer_ids)
    points = _placed(_curves(program), program)
    drawn = tf.sequence_mask(program.count, _STROKES, dtype="float32")
    return points, drawn


def _program(class_ids):
    draws = uniforms(stream_keys(class_ids, salt=1), 1 + _STROKES * 24)
    odds = {1: 0.12, 2: 0.32, 3: 0.34, 4: 0.17, 5: 0.05}
    count = _pick(draws[:, 0], odds)
    draws = tf.reshape(draws[:, 1:], [-1, _STROKES, 24])
    lengths, turns, corners = _shapes(draws[:, :, :18])
    draws = tf.unstack(draws[:, :, 18:], axis=2)
    joint, parent, site, apart, distance, angle = draws
    # Mostly the strokes touch, start to end or to a middle, as in an L or a T.
    apart = _pick(apart, {0.0: 0.7, 1.0: 0.3}) * (0.3 + 0.3 * distance)
    return _Program(
        count=count,
        lengths=lengths,
        turns=turns,
        corners=corners,
        joint=_pick(joint, {0.0: 0.45, 0.5: 0.4, 1.0: 0.15}),
        parent=parent,
        site=_pick(site, {0.0: 0.3, 0.35: 0.1, 0.5: 0.2, 0.65: 0.1, 1.0: 0.3}),
        gap=apart[..., None] * _directions(360 * angle),
    )


def _shapes(draws):
    """Make the pieces of strokes: lengths, turns, corners, (N, 5, 3) each."""
    draws = tf.reshape(draws, [-1, _STROKES, 6, _PIECES])
    kind, bend, change, corner, angle, length = tf.unstack(draws, axis=2)
    # Straight, curved or curled, to the left or to the right.
    bends = {0.0: 0.4, 1.0: 0.14, -1.0: 0.14, 2.3: 0.16, -2.3: 0.16}
    bends = _pick(kind, bends) * (20 + 30 * bend)
    # A piece mostly goes on with the curve of the one before it.
    change = tf.cast(change < 0.33, "float32")
    turns = [bends[..., 0]]
    for piece in range(1, _PIECES):
        fresh = change[..., piece]
        turns.append(fresh * bends[..., piece] + (1 - fresh) * turns[-1])
    corners = _pick(corner, {0.0: 0.4, 1.0: 0.3, -1.0: 0.3}) * change
    corners *= 50 + 90 * angle
    # The corner before the first piece is the heading of the stroke.
    headings = {0.0: 0.3, 45.0: 0.15, 90.0: 0.35, 135.0: 0.15, -45.0: 0.05}
    heading = _pick(corner[..., 0], headings) + 40 * (angle[..., 0] - 0.5)
    corners = tf.concat([heading[..., None], corners[..., 1:]], axis=2)
    # The first stroke is the stem; the others are shorter now and then. (Its
    # first piece has none before it, which leaves that draw for this.)
    shrink = tf.where(change[..., :1] > 0, 0.65, 1.0)
    shrink = tf.concat([tf.ones_like(shrink[:, :1]), shrink[:, 1:]], axis=1)
    lengths = (0.2 + 0.25 * length) * shrink
    return lengths, tf.stack(turns, axis=2), corners


def _jittered(program, class_ids, drawer_ids):
    keys = stream_keys(class_ids, drawer_ids, salt=2)
    draws = 2 * uniforms(keys, _STROKES * 13) - 1
    draws = tf.reshape(draws, [-1, _STROKES, 13])
    lengths, turns, corners, joint, site, gap = tf.split(
        draws, [3, 3, 3, 1, 1, 2], axis=2
    )
    return program._replace(
        lengths=program.lengths * (1 + 0.2 * lengths),
        turns=program.turns * (1 + 0.15 * turns) + 8 * turns,
        corners=program.corners + 10 * corners,
        joint=program.joint + 0.06 * joint[..., 0],
        site=program.site + 0.06 * site[..., 0],
        gap=program.gap + 0.05 * gap,
    )


def _curves(program):
    """Return the points of every stroke, each from its own start."""
    steps = _POINTS // _PIECES
    along = (tf.range(steps, dtype="float32") + 0.5) / steps
    before = tf.cumsum(program.turns, axis=2, exclusive=True)
    heading = tf.cumsum(program.corners, axis=2) + before  # (N, 5, 3)
    heading = heading[..., None] + program.turns[..., None] * along
    moves = program.lengths[..., None, None] / steps * _directions(heading)
    moves = tf.reshape(moves, [-1, _STROKES, _POINTS, 2])
    return tf.cumsum(moves, axis=2)  # (N, 5, 24, 2)


def _placed(curves, program):
    """Move every stroke to where it touches an earlier one."""
    joints = _nearest_point(program.joint)[..., None]  # (N, 5, 1)
    curves -= tf.gather(curves, joints, axis=2, batch_dims=2)
    sites = _nearest_point(program.site)
    placed = curves[:, 0]  # (N, 24, 2)
    for stroke in range(1, _STROKES):
        parent = tf.cast(program.parent[:, stroke] * stroke, "int32")
        site = parent * _POINTS + sites[:, stroke]
        anchor = tf.gather(placed, site, batch_dims=1)  # (N, 2)
        anchor += program.gap[:, stroke]
        points = curves[:, stroke] + anchor[:, None]
        placed = tf.concat([placed, points], axis=1)
    return tf.reshape(placed, [-1, _STROKES, _POINTS, 2])


def _nearest_point(fraction):
    point = tf.cast(tf.round(fraction * (_POINTS - 1)), "int32")
    return tf.clip_by_value(point, 0, _POINTS - 1)


def _directions(degrees):
    angles = degrees * _DEGREES
    return tf.stack([tf.cos(angles), tf.sin(angles)], axis=-1)


def _pick(draws, odds):
    """Turn uniform draws into the keys of `odds`, each as often as it says."""
    bounds = tf.constant(list(itertools.accumulate(odds.values()))[:-1])
    index = tf.searchsorted(bounds, tf.reshape(draws, [-1]), side="right")
    return tf.gather(list(odds), tf.reshape(index, tf.shape(draws)))
