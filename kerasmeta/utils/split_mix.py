"""Random numbers that are pure functions of ids: SplitMix64.

`tf.random.stateless_uniform` takes one seed for a whole tensor. Here every row
has a key of its own, so that an episode does not depend on those drawn with
it, and a whole meta-batch is drawn in a handful of vector operations. Integer
arithmetic makes the numbers the same on every machine.

Reference: Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number
generators", OOPSLA.
"""

import math

import tensorflow as tf

_GOLDEN = 0x9E3779B97F4A7C15
_MULTIPLIERS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)


def stream_keys(*ids, salt):
    """Return one 64-bit key for every row of `ids`, to seed a stream.

    Args:
        *ids: One or more int64 tensors of shape `(N,)`, or scalars before
            the last.
        salt: Integer that names the purpose of the stream: the same ids with
            another salt give unrelated numbers.
    """
    keys = tf.fill(tf.shape(ids[0]), tf.constant(salt, "uint64"))
    for number in ids:
        keys = _mix(keys * _GOLDEN + tf.bitcast(number, tf.uint64))
    return keys  # (N,)


def integers(keys, count):
    """Return `count` uniform integers in `[0, 2**62)` for every key."""
    return tf.cast(_shift(_stream(keys, count), 2), "int64")  # (N, count)


def uniforms(keys, count):
    """Return `count` uniform numbers in `[0, 1)` for every key."""
    # A float32 holds 24 bits: more of them could round up to 1.
    bits = _shift(_stream(keys, count), 40)
    return tf.cast(tf.cast(bits, "int32"), "float32") * 2.0**-24


def normals(keys, count):
    """Return `count` standard normal numbers for every key."""
    u, v = tf.split(uniforms(keys, 2 * count), 2, axis=1)
    # Box and Muller's method; 1 - u is never zero.
    return tf.sqrt(-2 * tf.math.log(1 - u)) * tf.cos(2 * math.pi * v)


def _stream(keys, count):
    steps = tf.cast(tf.range(1, count + 1), "uint64") * _GOLDEN
    return _mix(keys[:, None] + steps)  # (N, count)


def _mix(bits):
    for shift, multiplier in zip((30, 27), _MULTIPLIERS, strict=True):
        bits = tf.bitwise.bitwise_xor(bits, _shift(bits, shift)) * multiplier
    return tf.bitwise.bitwise_xor(bits, _shift(bits, 31))


def _shift(bits, count):
    return tf.bitwise.right_shift(bits, tf.constant(count, "uint64"))
