"""Reading all examples of a source, a part at a time."""

import hashlib

import numpy as np
import tensorflow as tf


def scan_examples(source, ids=None, part=512):
    """Yield `(id, example)`: the leaves of each example as arrays.

    The example is `None` if the source refuses it as not finite.

    Args:
        source: `Source`.
        ids: Which examples, or `None` for all.
        part: How many to load at a time.
    """
    ids = np.arange(source.num_examples) if ids is None else ids
    load = tf.function(
        source.load, input_signature=[tf.TensorSpec([None], "int64")]
    )
    for start in range(0, len(ids), part):
        some = ids[start : start + part].astype("int64")
        yield from zip(some.tolist(), _load_part(load, some))


def _load_part(load, ids):
    """Return the leaves of each example, one by one if some are refused."""
    try:
        leaves = tf.nest.flatten(load(tf.constant(ids)))
    except tf.errors.InvalidArgumentError as error:
        if "NaN" not in str(error):
            raise
        if len(ids) == 1:
            return [None]
        return [_load_part(load, ids[i : i + 1])[0] for i in range(len(ids))]
    return list(zip(*[leaf.numpy() for leaf in leaves]))


def example_digests(source, ids):
    """Yield a hash of the content of each example, targets included."""
    for _, example in scan_examples(source, ids):
        yield example_digest(example)
    if source.load_targets is not None:
        targets = source.load_targets(tf.constant(ids, "int64"))
        yield example_digest([targets.numpy()])


def example_digest(example):
    """Return a hash of the leaves of an example."""
    digest = hashlib.sha256()
    for leaf in example:
        leaf = np.asarray(leaf)
        if leaf.dtype.kind in "OSU":
            # Of each string its length too, or "ab", "c" were "a", "bc".
            for text in leaf.ravel().tolist():
                digest.update(len(text).to_bytes(8, "little") + text)
        else:
            digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.digest()
