"""Checks of labelled arrays: clear words before the first episode."""

import numpy as np

_REMEDIES = {
    "O": "Pad or crop rows of different shapes, then `np.stack` them.",
    "U": "Encode strings first: see `keras.layers.TextVectorization`.",
    "S": "Encode strings first: see `keras.layers.TextVectorization`.",
    "c": "Make two channels of complex numbers.",
}


def check_labels(labels, name="y"):
    """Return class labels as a vector, or say what is wrong with them."""
    labels = _to_label_array(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not len(labels):
        raise ValueError(
            f"`{name}` must be a vector with the class of each example, and "
            f"not empty. One-hot labels: use `{name}.argmax(-1)`. "
            f"Received: {name}.shape={labels.shape}"
        )
    if labels.dtype.kind in "OT":
        return _from_objects(labels.astype(object), name)
    _check_classes(labels, _is_class(labels), name)
    return labels


def decode_labels(labels, name="y"):
    """Return labels that are bytes as strings, and others as they are."""
    if labels.dtype.kind != "S":
        return labels
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as error:
        i = int(np.argmax(labels == error.object))
        raise ValueError(
            f"`{name}` must be in UTF-8 where it is bytes. Decode it first: "
            f"`[label.decode('latin1') for label in {name}]`. Received: "
            f"{error.object!r} in {name}[{i}]"
        ) from error


def check_arrays(x, num_examples, name="x", check_array=None):
    """Return a nest of examples as arrays, or say which is wrong and how.

    Args:
        x: Nest of examples.
        num_examples: How many there must be.
        name: What they are called in messages.
        check_array: Function of an array, `num_examples` and its name, or
            `None` for the check of real numbers.
    """
    check_array = check_array or check_numbers
    # A list is an array in the making, to Keras and to `tf.data`.
    if not isinstance(x, (dict, tuple)):
        return check_array(x, num_examples, name)
    if not x:
        raise ValueError(
            f"`{name}` must hold at least one array. Received: {name}={x}"
        )
    if isinstance(x, dict):
        return {
            key: check_arrays(
                value, num_examples, f"{name}[{key!r}]", check_array
            )
            for key, value in x.items()
        }
    return tuple(
        check_arrays(value, num_examples, f"{name}[{i}]", check_array)
        for i, value in enumerate(x)
    )


def check_numbers(array, num_examples, name):
    """Return real numbers as an array, or say what is wrong with them."""
    if not isinstance(array, np.memmap):
        array = to_array(array)
    _check_dtype(array, name)
    _check_shape(array, num_examples, name)
    # A mapped file may be too large to read: what is drawn is checked then.
    if array.dtype.kind != "f" or isinstance(array, np.memmap):
        return array
    if array.itemsize > 4:
        with np.errstate(over="ignore"):  # Becomes infinite, seen below.
            array = array.astype("float32")
    check_finite(array, np.arange(num_examples), name)
    return array


def check_finite(array, ids, name="x"):
    """Raise a `ValueError` if examples hold NaN or infinity.

    Args:
        array: Examples, `[n, ...]`.
        ids: Their numbers in the data, `[n]`.
        name: What the data are called.
    """
    if array.dtype.kind != "f":
        return
    bad = ~np.isfinite(array).reshape(len(ids), -1).all(axis=1)
    if bad.any():
        raise ValueError(
            f"`{name}` must hold finite float32 numbers. Impute or remove the "
            f"others first. Received: NaN or infinity in {bad.sum()} of "
            f"{len(ids)} examples, first in {name}[{ids[bad.argmax()]}]"
        )


def _check_dtype(array, name):
    kind = array.dtype.kind
    if kind not in "buif":
        remedy = _REMEDIES.get(kind, "Convert them with `.astype('float32')`.")
        raise ValueError(
            f"`{name}` must be an array of real numbers. {remedy} "
            f"Received: {name}.dtype={array.dtype}"
        )


def _check_shape(array, num_examples, name):
    received = f"Received: {name}.shape={array.shape}"
    if array.ndim < 2 or not array[:1].size:
        raise ValueError(
            f"`{name}` must have a shape [num_examples, ...], with one number "
            "or more for each example. If it is a vector, use "
            f"`{name}[:, None]`. {received}"
        )
    if len(array) != num_examples:
        raise ValueError(
            f"`{name}` must have as many examples as there are labels, "
            f"{num_examples}. (Several inputs: give a dictionary or a tuple of "
            f"arrays, not a list.) {received}"
        )


def to_array(value):
    """Return an array, of objects where rows have different shapes."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.fromiter(value, dtype=object)


def _to_label_array(labels):
    array = to_array(labels)
    # NumPy makes one string type of a list of strings, numbers and NULs.
    if array.dtype.kind in "US" and not hasattr(labels, "dtype"):
        return np.array(labels, dtype=object)
    return array


def _from_objects(labels, name):
    """Return labels that are Python objects as an array of one type."""
    kinds = [_kind(label) for label in labels]
    kind = next(filter(None, kinds), None)
    is_class = np.array([k is not None and k is kind for k in kinds])
    _check_classes(labels, is_class, name)
    if kind in (str, bytes):
        _check_ends(labels, "\0" if kind is str else b"\0", name)
    return np.array(labels.tolist(), kind)


def _kind(label):
    """Return which kind of class a label can be the name of, or `None`."""
    if isinstance(label, (bool, np.bool_)):
        return bool
    if isinstance(label, (int, np.integer, float, np.floating)):
        is_int64 = -(2.0**63) <= label < 2.0**63 and label == int(label)
        return int if is_int64 else None
    return next((k for k in (str, bytes) if isinstance(label, k)), None)


def _check_ends(labels, end, name):
    for i, label in enumerate(labels):
        if label.endswith(end):
            raise ValueError(
                "A class must not end in the character NUL, which NumPy drops. "
                "Rename it, or strip it. "
                f"Received: {label!r} in {name}[{i}]"
            )


def _check_classes(labels, is_class, name):
    if not is_class.all():
        i = int(np.argmin(is_class))
        is_object = labels.dtype == object
        shown = repr(labels[i]) if is_object else str(labels[i])
        raise ValueError(
            f"`{name}` must hold classes, integers or strings. Drop examples "
            "without a class, and sort measurements into classes. Received: "
            f"{(~is_class).sum()} of {len(labels)} values of dtype "
            f"{labels.dtype} that are not, such as {shown} in {name}[{i}]"
        )


def _is_class(labels):
    """Return which labels can be the name of a class."""
    if labels.dtype.kind == "f":
        return np.isfinite(labels) & (labels == np.round(labels))
    return np.full(len(labels), labels.dtype.kind in "biuUS")
