"""Class-disjoint splits of labelled data."""

import fractions
import math

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.utils import check_seed
from kerasmeta.utils.split_mix import integers
from kerasmeta.utils.split_mix import stream_keys


def split_classes(labels, sizes, groups=None, seed=0):
    """Split examples so that no class is on two sides.

    Meta-learning is judged on classes it has never seen, so the *classes* are
    divided, not the examples.

    Args:
        labels: Class of each example, `[num_examples]`.
        sizes: Dictionary `name -> size` of the splits, each a number of
            classes (integer) or a fraction of them (float). One may be
            `None`: it gets the rest. With `groups`, sizes count groups.
        groups: Optional group of each example, such as its alphabet,
            `[num_examples]`. All classes of a group stay together.
        seed: Non-negative integer that decides which classes go where.

    Returns:
        A dictionary `name -> example ids` (sorted int64 vectors). Every
        example is in exactly one split.

    Raises:
        ValueError: If the sizes do not add up to all classes (or groups), a
            split would get none, or a class is in more than one group.

    Example:

    >>> labels = np.repeat(np.arange(10), 4)
    >>> sizes = {"train": 0.6, "validation": 2, "test": None}
    >>> splits = km.episodes.split_classes(labels, sizes)
    >>> {name: len(ids) for name, ids in splits.items()}
    {'train': 24, 'validation': 8, 'test': 8}
    """
    seed = check_seed(seed)
    labels = check_labels(labels, "labels")
    units = labels if groups is None else _check_groups(labels, groups)
    names, inverse = np.unique(units, return_inverse=True)
    what = "classes" if groups is None else "groups"
    ends = _ends(_amounts(sizes, len(names), what))
    counts = dict(zip(sizes, np.diff(ends, prepend=0).tolist()))
    if min(counts.values()) < 1:
        raise ValueError(
            f"Each split must get at least one of the {len(names)} {what}. "
            f"Give a larger size. Received: sizes={sizes}, which gives {counts}"
        )
    order = _shuffled(len(names), seed)
    return {
        name: np.flatnonzero(np.isin(inverse, order[end - count : end]))
        for (name, count), end in zip(counts.items(), ends)
    }


def _check_groups(labels, groups):
    groups = check_labels(groups, "groups")
    if len(groups) != len(labels):
        raise ValueError(
            "`groups` must name the group of each example, so it must be as "
            f"long as `labels`, {len(labels)}. Received: {len(groups)} groups"
        )
    _, first, inverse = np.unique(
        labels, return_index=True, return_inverse=True
    )
    expected = groups[first][inverse]
    strays = np.flatnonzero(groups != expected)
    if len(strays):
        i = strays[0]
        raise ValueError(
            "A class must belong to one group, or the splits would share it. "
            "If groups use the same label for different classes, label the "
            f"pair of group and class instead. Received: class {labels[i]!s} "
            f"in the groups {expected[i]!s} and {groups[i]!s}"
        )
    return groups


def _amounts(sizes, total, what):
    """Return exact shares of `total`, one a split, that add up to it."""
    if not isinstance(sizes, dict) or not sizes:
        raise ValueError(
            "`sizes` must be a dictionary of splits such as "
            f'{{"train": 0.8, "test": None}}. Received: sizes={sizes!r}'
        )
    amounts = [_amount(name, size, total) for name, size in sizes.items()]
    given = sum(amount for amount in amounts if amount is not None)
    if amounts.count(None) > 1 or (None not in amounts and given != total):
        raise ValueError(
            f"The sizes of the splits must add up to all {total} {what}, or "
            "exactly one of them must be `None`, for the rest. "
            f"Received: sizes={sizes}, which add up to {float(given):g}"
        )
    return [total - given if amount is None else amount for amount in amounts]


def _amount(name, size, total):
    if size is None:
        return None
    is_count = isinstance(size, (int, np.integer)) and size is not True
    if is_count and size > 0:
        return int(size)
    if isinstance(size, (float, np.floating)) and 0 < size <= 1:
        # 0.1 and 1 / 3 are not exact in binary, and thirds should make one.
        return total * fractions.Fraction(float(size)).limit_denominator(10**6)
    raise ValueError(
        "The size of a split must be a positive number of classes or groups "
        "(integer), a fraction of them (float in 0..1), or `None` for the "
        f"rest. Received: sizes[{name!r}]={size!r}"
    )


def _ends(amounts):
    """Return where each split ends, rounded.

    Rounding the ends, not the amounts, leaves nothing over.
    """
    exact = [sum(amounts[: i + 1]) for i in range(len(amounts))]
    half = fractions.Fraction(1, 2)
    return [math.floor(end + half) for end in exact]


def _shuffled(count, seed):
    # Unlike NumPy's generators, ours draws the same in every version.
    keys = stream_keys(tf.constant([seed], "int64"), salt=1)
    return np.argsort(integers(keys, count)[0])
