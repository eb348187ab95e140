"""Examples out of the records of a TFDS data set."""

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.error_reason import error_reason
from kerasmeta.episodes.python_load import python_load

_CHUNK = 256


class RecordLoader:
    """Loads examples by their ids.

    Args:
        read: Function from ids to serialized examples, as of `record_reader`.
        parse: Function of a serialized example, that returns a nest of tensors.
        element_spec: Nest of `tf.TensorSpec` of what `parse` returns.
    """

    def __init__(self, read, parse, element_spec):
        self.read = read
        self.parse = parse
        self.element_spec = element_spec
        record = tf.TensorSpec([], tf.string)
        self._parse_one = tf.function(parse, input_signature=[record])

    def load(self, ids):
        """Return the examples of ids `[n]`, in a graph."""
        records = python_load(self.read, ids, tf.string)
        records.set_shape(ids.shape)
        parsed = (
            tf.data.Dataset.from_tensor_slices(records)
            .map(
                lambda record: (self.parse(record), True),
                num_parallel_calls=tf.data.AUTOTUNE,
            )
            .ignore_errors()
        )
        # What TensorFlow says of a damaged record does not tell which it is.
        damaged = tf.nest.map_structure(_nothing, self.element_spec), False
        parsed = parsed.concatenate(
            tf.data.Dataset.from_tensors(damaged).repeat()
        )
        count = tf.size(ids, tf.int64)
        examples, is_good = parsed.take(count).batch(count).get_single_element()
        leaves = tf.cond(
            tf.reduce_all(is_good),
            lambda: tf.nest.flatten(examples),
            lambda: python_load(self._read_each, ids, self._dtypes()),
        )
        for leaf, spec in zip(leaves, tf.nest.flatten(self.element_spec)):
            leaf.set_shape([*ids.shape, *spec.shape])
        return tf.nest.pack_sequence_as(self.element_spec, leaves)

    def load_all(self, ids):
        """Return the examples of ids as a nest of arrays.

        Raises:
            ValueError: If an example cannot be read.
        """
        arrays = tf.nest.map_structure(
            lambda spec: np.empty(
                (len(ids), *spec.shape), spec.dtype.as_numpy_dtype
            ),
            self.element_spec,
        )
        dataset = tf.data.Dataset.from_tensor_slices(ids).batch(_CHUNK)
        chunks = dataset.map(self.load, num_parallel_calls=tf.data.AUTOTUNE)
        chunks = chunks.as_numpy_iterator()
        for start in range(0, len(ids), _CHUNK):
            rows = slice(start, start + _CHUNK)
            leaves = tf.nest.flatten(self._next(chunks, ids[rows]))
            for array, leaf in zip(tf.nest.flatten(arrays), leaves):
                array[rows] = leaf
        return arrays

    def _next(self, chunks, ids):
        try:
            return next(chunks)
        except tf.errors.OpError:
            self._read_each(ids)  # Raises what a person should see.
            raise

    def _dtypes(self):
        return [spec.dtype for spec in tf.nest.flatten(self.element_spec)]

    def _read_each(self, ids):
        return [np.stack(leaf) for leaf in zip(*map(self._read_one, ids))]

    def _read_one(self, i):
        """Return an example as a list of arrays, or say what is wrong."""
        [record] = self.read(np.array([i]))
        try:
            # A pipeline may run on behalf of a GPU, which decodes nothing.
            with tf.device("CPU"):
                leaves = tf.nest.flatten(self._parse_one(record))
        except tf.errors.OpError as error:
            raise ValueError(
                "A data set must hold examples such as its features say. "
                f"Prepare it again. Received: example {i} of the split, of "
                f"which TensorFlow says: {error_reason(error)}"
            ) from error
        return [leaf.numpy() for leaf in leaves]


def _nothing(spec):
    if spec.dtype == tf.string:
        return tf.fill(spec.shape, "")
    return tf.zeros(spec.shape, spec.dtype)
