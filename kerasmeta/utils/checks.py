"""Checks of plain arguments."""

import math
import operator

import numpy as np
import tensorflow as tf


def check_positive_int(name, value, minimum=1):
    """Return `value` as an `int`, or say what is wrong with it."""
    try:
        # A bool is an int to Python, but never a size to a person.
        number = (
            None
            if isinstance(value, (bool, np.bool_))
            else operator.index(value)
        )
    except TypeError:
        number = None
    if number is None or number < minimum:
        raise ValueError(
            f"`{name}` must be an integer of at least {minimum}. "
            f"Received: {name}={value!r}"
        )
    return number


def check_widths(name, value):
    """Return a tuple of integers above zero, or say what is wrong with it."""
    try:
        widths = [check_positive_int(name, width) for width in value]
    except (TypeError, ValueError):
        raise ValueError(
            f"`{name}` must be a tuple of positive integers, such as `(10,)`. "
            f"Received: {name}={value!r}"
        ) from None
    return tuple(widths)


def check_seed(seed):
    """Return `seed` as an `int` that fits the 63 bits of a stateless seed."""
    seed = check_positive_int("seed", seed, minimum=0)
    if seed >= 2**63:
        raise ValueError(
            f"`seed` must be smaller than 2**63. Received: seed={seed}"
        )
    return seed


def check_positive_number(name, value):
    """Return `value` as a `float` above zero, or say what is wrong with it."""
    number = _as_number(value)
    if not 0 < number < math.inf:
        raise ValueError(
            f"`{name}` must be a positive finite number. "
            f"Received: {name}={value!r}"
        )
    return number


def check_fraction(name, value):
    """Return `value` as a `float` in `[0, 1)`, or say what is wrong with it."""
    number = _as_number(value)
    if not 0 <= number < 1:
        raise ValueError(
            f"`{name}` must be a number of at least 0 and less than 1. "
            f"Received: {name}={value!r}"
        )
    return number


def check_share(name, value):
    """Return `value` as a `float` in `[0, 1]`, or say what is wrong with it."""
    number = _as_number(value)
    if not 0 <= number <= 1:
        raise ValueError(
            f"`{name}` must be a number from 0 to 1. Received: {name}={value!r}"
        )
    return number


def _as_number(value):
    try:
        # `float` would take "0.1" and True, which are mistakes here.
        return math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError):
        return math.nan


def check_choice(name, value, choices):
    """Return `value` if it is one of `choices`, or say what they are."""
    if value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(
            f"`{name}` must be one of {listed}. Received: {name}={value!r}"
        )
    return value


def check_dataset(name, value):
    """Return `value`, or say that it must be a dataset of episodes."""
    if not isinstance(value, tf.data.Dataset):
        raise ValueError(
            f"`{name}` must be a dataset of episodes, such as those of "
            "`kerasmeta.episodes`. "
            f"Received: {name} of type {type(value).__name__}"
        )
    return value


def check_can_be_normalized(size):
    """Return the length of embeddings, or say that normalizing leaves none."""
    if size == 1:
        raise ValueError(
            "Embeddings must have at least two numbers: they are normalized, "
            "and of one number nothing is left. End the backbone with a wider "
            f"`Dense` layer. Received: embeddings of length {size}"
        )
    return size
