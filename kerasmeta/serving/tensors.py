"""Tensors out of JSON, checked against what a model takes."""

import numpy as np

from .errors import BadRequest

# By the kind of a NumPy dtype: what JSON has for it.
_JSON_TYPES = {
    "f": ((int, float), "numbers"),
    "V": ((int, float), "numbers"),  # Such as bfloat16.
    "i": ((int,), "integers"),
    "u": ((int,), "integers"),
    "b": ((bool,), "true or false"),
    "O": ((str,), "strings"),
}


def read_tensors(values, specs, max_examples):
    """Return the tensors of a request, as arrays.

    Args:
        values: Dictionary from JSON.
        specs: Dictionary `name -> tf.TensorSpec`, all that there must be.
        max_examples: How many examples there may be.

    Raises:
        BadRequest: If something is missing, unknown, or not what the model
            takes.
    """
    if values.keys() != specs.keys():
        raise BadRequest(
            422,
            f"The request must have the fields {sorted(specs)}. "
            # There may be megabytes of them.
            f"Received: {str(sorted(values))[:100]}",
        )
    arrays = {k: _read(k, values[k], spec) for k, spec in specs.items()}
    sizes = {name: len(array) for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        raise BadRequest(
            422, f"There must be as many of each field. Received: {sizes}"
        )
    if not 1 <= min(sizes.values()) <= max_examples:
        raise BadRequest(
            422,
            f"There must be 1 to {max_examples} examples. Received: {sizes}",
        )
    return arrays


def check_classes(arrays, max_classes):
    """Refuse classes that a model lacks, or that would take endless memory.

    Args:
        arrays: Dictionary of the support set.
        max_classes: How many classes there may be.

    Raises:
        BadRequest: If a class has a number below zero or is one too many.
    """
    for name, array in arrays.items():
        is_class = name.startswith("support_y") and array.dtype.kind in "iu"
        if is_class and not 0 <= array.min() <= array.max() < max_classes:
            raise BadRequest(
                422,
                f"`{name}` must number the classes from 0, {max_classes} at "
                f"most. Received: {array.min()} to {array.max()}",
            )


def check_finite(arrays, what):
    """Refuse what has NaN or infinity.

    Args:
        arrays: Dictionary of arrays or tensors.
        what: What to call them.

    Raises:
        BadRequest: If a number is not finite.
    """
    for name, array in arrays.items():
        array = np.asarray(array)
        if array.dtype.kind in "fV" and not np.isfinite(array).all():
            raise BadRequest(422, f"{what} `{name}` has NaN or infinity.")


def num_bytes(tensors):
    """Return the size of tensors in memory, or `None` if it is not known.

    Args:
        tensors: Dictionary of tensors, or of their specs.
    """
    sizes = [t.shape.num_elements() for t in tensors.values()]
    if None in sizes:
        return None
    return sum(n * t.dtype.size for n, t in zip(sizes, tensors.values()))


def _read(name, value, spec):
    dtype = np.dtype(spec.dtype.as_numpy_dtype)
    # As objects, so that nothing is converted unseen: true is no 1 here, and
    # one long string among numbers does not make all of them long.
    objects = _objects(name, value, spec)
    types, text = _JSON_TYPES[dtype.kind]
    wrong = {type(v) for v in objects.flat} - set(types)
    if wrong:
        raise BadRequest(
            422,
            f"`{name}` must hold {text}, for it is {spec.dtype.name}. "
            f"Received: {sorted(t.__name__ for t in wrong)}",
        )
    try:
        array = _convert(objects, dtype)
    except (OverflowError, UnicodeEncodeError):
        raise BadRequest(
            422, f"`{name}` has values that {spec.dtype.name} cannot hold."
        ) from None
    check_finite({name: array}, "The field")
    return array


def _convert(objects, dtype):
    if dtype.kind == "O":
        return np.vectorize(str.encode, otypes=[object])(objects)
    with np.errstate(over="ignore"):  # Infinity is refused afterwards.
        return objects.astype(dtype)


def _objects(name, value, spec):
    """Return nested lists as an array of objects of the right shape."""
    shape = str(spec.shape.as_list()).replace("None", "null")
    try:
        objects = np.array(value, dtype=object)
    except ValueError:
        raise BadRequest(
            422,
            f"`{name}` must have shape {shape}. Received: lists that differ "
            "in length",
        ) from None
    if not spec.shape.is_compatible_with(objects.shape):
        raise BadRequest(
            422,
            f"`{name}` must have shape {shape}, null for any number. "
            f"Received: {list(objects.shape)}",
        )
    return objects
