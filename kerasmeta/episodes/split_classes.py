"""Class-disjoint splits of labelled data."""

import numpy as np

from kerasmeta.episodes.arrays import check_labels
from kerasmeta.utils import check_seed


def split_classes(labels, sizes, groups=None, seed=0):
    """Split examples so that no class is on two sides.

    Meta-learning is judged on classes it has never seen, so the *classes* are
    divided, not the examples.

    Args:
        labels: Class of each example, `[num_examples]`.
        sizes: Dictionary `name -> size` of the splits, each a number of
            classes (integer) or a fraction of them (float). One may be
            `None`: it gets the rest. With `groups`, sizes count groups.
        groups: Optional group of each example, such as its alphabet. All
            classes of a group stay together.
        seed: Non-negative integer that decides which classes go where.

    Returns:
        A dictionary `name -> example ids` (sorted int64 vectors). Every
        example is in exactly one split.

    Raises:
        ValueError: If the sizes do not add up to all classes (or groups), or
            a class is in more than one group.

    Example:

    >>> labels = np.repeat(np.arange(10), 4)
    >>> sizes = {"train": 0.6, "validation": 2, "test": None}
    >>> splits = km.episodes.split_classes(labels, sizes)
    >>> {name: len(ids) for name, ids in splits.items()}
    {'train': 24, 'validation': 8, 'test': 8}
    """
    seed = check_seed(seed)
    labels = check_labels(labels)
    units = labels if groups is None else _check_groups(labels, groups)
    names, inverse = np.unique(units, return_inverse=True)
    what = "classes" if groups is None else "groups"
    counts = _counts(sizes, len(names), what)
    order = np.random.default_rng(seed).permutation(len(names))
    bounds = np.cumsum([0, *counts.values()])
    return {
        name: np.flatnonzero(np.isin(inverse, order[start:stop]))
        for name, start, stop in zip(counts, bounds[:-1], bounds[1:])
    }


def _check_groups(labels, groups):
    groups = np.asarray(groups)
    if groups.shape != labels.shape:
        raise ValueError(
            "`groups` must name the group of each example, so its shape must "
            f"be that of `labels`, {labels.shape}. "
            f"Received: groups.shape={groups.shape}"
        )
    pairs = np.unique(
        np.stack(
            [np.unique(a, return_inverse=True)[1] for a in (labels, groups)]
        ),
        axis=1,
    )
    classes, counts = np.unique(pairs[0], return_counts=True)
    if (counts > 1).any():
        name = np.unique(labels)[classes[counts > 1][0]]
        raise ValueError(
            "A class must belong to one group, or the splits would share it. "
            "If two groups use the same label for different classes, label "
            f"the pair instead. Received: class {name!s} in several groups"
        )
    return groups


def _counts(sizes, total, what):
    """Turn counts, fractions and one `None` into counts that add up."""
    if not isinstance(sizes, dict) or not sizes:
        raise ValueError(
            "`sizes` must be a dictionary such as "
            '{"train": 0.8, "test": None}. '
            f"Received: sizes={sizes!r}"
        )
    counts = {name: _count(size, total) for name, size in sizes.items()}
    open_ended = [name for name, count in counts.items() if count is None]
    missing = total - sum(count or 0 for count in counts.values())
    if len(open_ended) == 1:
        counts[open_ended[0]] = missing
        missing = 0
    if len(open_ended) > 1 or missing or min(counts.values()) < 1:
        raise ValueError(
            f"The splits must each have at least one of the {total} {what} "
            "and use all of them; give one of them the size `None` to get the "
            f"rest. Received: sizes={sizes}, which is {counts}"
        )
    return counts


def _count(size, total):
    if size is None:
        return None
    if isinstance(size, (float, np.floating)):
        return int(round(size * total)) if 0 < size <= 1 else -1
    if isinstance(size, (int, np.integer)) and not isinstance(size, bool):
        return int(size)
    return -1
