"""A source of examples that are held in memory, or mapped from a file."""

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.array_checks import check_arrays
from kerasmeta.episodes.array_checks import check_finite
from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.episodes.class_index import ClassIndex
from kerasmeta.episodes.python_load import python_load
from kerasmeta.episodes.source import Source


def array_source(x, y, groups=None, targets=None, name="x"):
    """Return a `Source` of arrays.

    Args:
        x: Array `[num_examples, ...]`, or a dictionary or tuple of arrays.
        y: Class of each example; for regression, its task.
        groups: Optional group of each example.
        targets: For regression, the target of each example.
        name: What the arrays are called in messages.
    """
    labels = check_labels(y)
    if groups is not None:
        groups = check_labels(groups, "groups")
        if len(groups) != len(labels):
            raise ValueError(
                "`groups` must name the group of each example. "
                f"Received: {len(groups)} groups for {len(labels)} examples"
            )
    arrays = check_arrays(x, num_examples=len(labels), name=name)
    load_targets = None
    if targets is not None:
        load_targets = array_loader(
            check_arrays(
                np.asarray(targets, "float32"), len(labels), name="targets"
            )
        )
    return Source(
        ClassIndex(labels, groups), array_loader(arrays), load_targets, name
    )


def array_loader(arrays):
    """Return a function that gathers examples of a nest of arrays."""
    # A list of functions, for a nest of them would look like one of arrays.
    loaders = [_array_loader(array) for array in tf.nest.flatten(arrays)]

    def load(ids):
        loaded = [loader(ids) for loader in loaders]
        return tf.nest.pack_sequence_as(arrays, loaded)

    return load


def _array_loader(array):
    if isinstance(array, np.memmap):
        return _memmap_loader(array)
    # An eager tensor is captured by reference: no copy in the graph.
    tensor = tf.convert_to_tensor(array)
    return lambda ids: as_example(tf.gather(tensor, ids))


def _memmap_loader(array):
    dtype = tf.as_dtype(array.dtype.newbyteorder("="))
    if dtype.is_floating:
        dtype = tf.float32

    def read(ids):
        with np.errstate(over="ignore"):  # Becomes infinite, seen below.
            examples = np.ascontiguousarray(array[ids], dtype.as_numpy_dtype)
        check_finite(examples, ids)
        return examples

    def load(ids):
        examples = python_load(read, ids, dtype)
        examples.set_shape([*ids.shape, *array.shape[1:]])
        return as_example(examples)

    return load


def as_example(tensor):
    """Return examples in the dtype that networks take.

    Small integers (images) become float32 without rescaling; token ids and
    strings stay what they are.
    """
    is_token = tensor.dtype.is_integer and tensor.dtype.size >= 4
    if is_token or tensor.dtype == tf.string:
        return tensor
    return tf.cast(tensor, "float32")
