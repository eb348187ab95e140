"""A transform of all examples, applied once before any episode is drawn."""

import numpy as np
import tensorflow as tf


def apply_once(transform, examples, count, batch_size, name):
    """Return `transform` of all examples, as one array.

    Args:
        transform: Layer or function from a batch `[n, ...]` to a tensor
            `[n, ...]` whose shape but for `n` is always the same.
        examples: Function from a slice of the examples to a batch of them.
        count: Number of examples.
        batch_size: Number of examples in a call.
        name: What the transform is called in messages.
    """
    parts = []
    for start in range(0, count, batch_size):
        batch = examples(slice(start, start + batch_size))
        part = _as_dense(transform(batch), name)
        _check_part(part, len(batch), parts, name)
        parts.append(part)
    return np.concatenate(parts)


def _as_dense(tensor, name):
    if isinstance(tensor, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(
            f"`{name}` must return a dense tensor, because the examples of an "
            "episode are stacked. Build the layer without `ragged` or "
            f"`sparse`. Received: a {type(tensor).__name__}"
        )
    return np.asarray(tensor)


def _check_part(part, count, parts, name):
    if part.ndim < 2 or len(part) != count:
        raise ValueError(
            f"`{name}` must return [n, ...] with one row or more numbers for "
            f"each of n examples. Received: shape {part.shape} for {count} "
            "examples"
        )
    if parts and part.shape[1:] != parts[0].shape[1:]:
        raise ValueError(
            f"`{name}` must return the same shape for all examples; pad to a "
            f"fixed length. Received: examples of shape {parts[0].shape[1:]} "
            f"and {part.shape[1:]}"
        )
