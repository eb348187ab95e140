"""Reading all examples of a source, a part at a time."""

import numpy as np
import tensorflow as tf


def scan_examples(source, ids=None, part=512):
    """Yield `(ids, examples)` as arrays, `part` examples at a time.

    Args:
        source: `Source`.
        ids: Which examples, or `None` for all.
        part: How many at a time.
    """
    ids = np.arange(source.num_examples) if ids is None else ids
    load = tf.function(
        source.load, input_signature=[tf.TensorSpec([None], "int64")]
    )
    for start in range(0, len(ids), part):
        some = ids[start : start + part].astype("int64")
        examples = load(tf.constant(some))
        yield some, tf.nest.map_structure(lambda t: t.numpy(), examples)
