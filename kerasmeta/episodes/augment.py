"""Random changes to examples, each a pure function of seed and place."""

import tensorflow as tf

from kerasmeta.utils.split_mix import integers
from kerasmeta.utils.split_mix import stream_keys


def augment(change, examples, seed, indices, salt):
    """Apply `change(example, seed)` to each example of a meta-batch.

    Args:
        change: Function of one example and a stateless seed, `[2]`.
        examples: Nest of tensors `[B, S, ...]`.
        seed: Python integer, the seed of the stream.
        indices: Episode indices, `[B]`.
        salt: Integer that tells support and query apart.
    """
    first = tf.nest.flatten(examples)[0]
    size = tf.shape(first)[1]
    keys = stream_keys(tf.constant(seed, "int64"), indices, salt=salt)
    seeds = tf.reshape(integers(keys, 2 * size), [-1, 2])  # (B * S, 2)
    flat = tf.nest.map_structure(
        lambda t: tf.reshape(t, tf.concat([[-1], tf.shape(t)[2:]], axis=0)),
        examples,
    )
    one = tf.nest.map_structure(lambda t: t.shape[2:], examples)
    signature = tf.nest.map_structure(
        lambda t: tf.TensorSpec(t.shape[2:], t.dtype), examples
    )

    def change_one(arguments):
        example, example_seed = arguments
        example = tf.nest.map_structure(tf.ensure_shape, example, one)
        changed = change(example, example_seed)
        _check_same(signature, changed)
        return changed

    changed = tf.map_fn(
        change_one, (flat, seeds), fn_output_signature=signature
    )
    return tf.nest.map_structure(
        lambda t, old: tf.ensure_shape(tf.reshape(t, tf.shape(old)), old.shape),
        changed,
        examples,
    )


def check_augment(name, change):
    """Return an augmentation, or say what is wrong with it."""
    if change is not None and not callable(change):
        raise ValueError(
            f"`{name}` must be a function `(example, seed) -> example`, or "
            f"`None`. Received: {name}={change!r}"
        )
    return change


def _check_same(expected, received):
    received = tf.nest.map_structure(
        lambda t: tf.TensorSpec(t.shape, t.dtype), received
    )
    if str(received) != str(expected):
        raise ValueError(
            "An augmentation must return an example of the shape and dtype "
            f"that it was given, {expected}. Received: {received}. Use "
            "`tf.image.stateless_random_*` and `tf.ensure_shape`."
        )
