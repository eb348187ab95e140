"""What callbacks know of a run: patience spent, best values, history."""

import inspect
import json
import warnings

import numpy as np


class CallbackStates:
    """The attributes of callbacks that training changes.

    Keras' callbacks have no method that tells their state. It is what differs
    from how they were when training began, of numbers, texts, lists and
    dictionaries of them, and lists of arrays; but not what has the name of an
    argument of a constructor, their own or that of a base. `EarlyStopping`
    turns the sign of its `min_delta` when it begins, and arguments may differ
    in a run that resumes.

    Args:
        callbacks: List of callbacks, as training begins.
    """

    def __init__(self, callbacks):
        self._callbacks = {}
        for callback in callbacks:
            name = type(callback).__name__
            count = sum(k.split("/")[0] == name for k in self._callbacks)
            self._callbacks[f"{name}/{count}"] = callback
        self._begun = self._read(_is_plain, _to_json)

    def get(self):
        """Return `(plain, arrays)`, by the names of callback and attribute."""
        plain = self._read(_is_plain, _to_json)
        changed = {k: v for k, v in plain.items() if v != self._begun.get(k)}
        arrays = {
            f"{name}/{i}": array
            for name, value in self._read(_is_arrays, list).items()
            for i, array in enumerate(value)
        }
        return changed, arrays

    def set(self, plain, arrays):
        """Give callbacks the state that `get` returned."""
        states = {name: json.loads(value) for name, value in plain.items()}
        for name, array in arrays.items():
            states.setdefault(name.rpartition("/")[0], []).append(array)
        for name, value in states.items():
            callback, _, attribute = name.rpartition("/")
            if callback in self._callbacks:
                setattr(self._callbacks[callback], attribute, value)
            else:
                warnings.warn(
                    f"The backup has {attribute!r} of the callback "
                    f"{callback!r}, which is not among the callbacks now.",
                    stacklevel=2,
                )

    def _read(self, is_wanted, convert):
        return {
            f"{name}/{attribute}": convert(value)
            for name, callback in self._callbacks.items()
            for attribute, value in vars(callback).items()
            if is_wanted(value) and attribute not in _arguments(callback)
        }


def _arguments(callback):
    # A subclass may hand on to its base what it takes as `**kwargs`.
    return {
        name
        for base in type(callback).__mro__[:-1]
        for name in inspect.signature(base.__init__).parameters
    }


def _to_json(value):
    return json.dumps(value, default=lambda array: array.tolist())


def _is_plain(value):
    """Whether JSON gives it back, arrays as lists."""
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is dict:
        # The history of a metric whose result is a vector is one of arrays.
        return all(
            type(k) is str and (_is_plain(v) or _is_arrays(v))
            for k, v in value.items()
        )
    return isinstance(value, (bool, int, float, str, np.generic, type(None)))


def _is_arrays(value):
    """Whether it is a list of arrays, such as the best weights so far."""
    is_list = type(value) is list and len(value) > 0
    return is_list and all(
        isinstance(v, np.ndarray) and not v.dtype.hasobject for v in value
    )
