"""From which classes and examples the episodes of a spec can be drawn."""

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.sampling import is_few


class Candidates:
    """The classes of an index that are large enough for a spec, by group.

    What cannot be drawn is refused here, in words, or left out where the spec
    says so.

    Args:
        class_index: `ClassIndex` of the data.
        spec: `EpisodeSpec`.

    Raises:
        ValueError: If there are too few classes, a class is too small, or
            groups are asked for and not known.
    """

    def __init__(self, class_index, spec):
        if spec.within_groups and class_index.group_of_class is None:
            raise ValueError(
                "`within_groups` needs to know the groups of the classes. Pass "
                "`groups=`, the group of each example. Received: groups=None"
            )
        needed = _least_examples(spec)
        fits = _large_enough(class_index, spec, needed)
        groups = class_index.group_of_class
        if not spec.within_groups:
            groups = np.zeros(class_index.num_classes, "int64")
        counts = np.bincount(groups[fits], minlength=groups.max() + 1)
        is_group = counts >= spec.least_ways
        _check_groups(class_index, spec, needed, counts, is_group)
        fits &= is_group[groups]
        self.num_groups = int(is_group.sum())
        # Classes of one group are neighbours: see `ClassIndex`.
        group_sizes = counts[is_group]
        self.most_classes = int(group_sizes.max())
        longest = int(class_index.sizes[fits].max())
        # `choose_few` needs that there are enough to choose from.
        self.few_classes = group_sizes.min() >= spec.max_ways and is_few(
            spec.max_ways, self.most_classes
        )
        size = min(spec.examples_per_class, longest)
        self.examples_per_class = size
        self.few_examples = class_index.sizes[fits].min() >= size and is_few(
            size, longest
        )
        self.num_class_keys = (
            2 * spec.max_ways if self.few_classes else self.most_classes
        )
        self.num_example_keys = 2 * size if self.few_examples else longest
        self.group_sizes = tf.constant(group_sizes, "int32")
        self.group_starts = tf.constant(
            np.cumsum(group_sizes) - group_sizes, "int32"
        )
        self.starts = tf.constant(class_index.starts[fits], "int64")
        self.sizes = tf.constant(class_index.sizes[fits], "int32")
        self.ids = tf.constant(class_index.ids, "int64")


def _least_examples(spec):
    """Return how many examples a class must have to be drawn."""
    if spec.rule == "meta_dataset":
        return 2
    if spec.small_classes == "fewer_queries":
        return spec.max_shots + 1
    return spec.examples_per_class


def _large_enough(class_index, spec, needed):
    """Return which classes can be drawn, or raise as the spec says."""
    fits = class_index.sizes >= needed
    small = np.flatnonzero(~fits)
    if not len(small) or spec.small_classes == "drop":
        return fits
    listed = _listed(
        f"{class_index.class_name(i)} ({class_index.sizes[i]})" for i in small
    )
    what = "task" if spec.is_regression else "class"
    remedies = '`small_classes="drop"` to leave them out'
    if spec.rule == "uniform":
        remedies = f"fewer shots or queries, or {remedies}"
        if spec.small_classes == "error":
            remedies += ', or "fewer_queries" to draw what they have'
    raise ValueError(
        f"Each {what} needs at least {needed} examples, because support and "
        "query never overlap. Too small, with their number of examples: "
        f"{listed}. Use {remedies}. "
        f"Received: shots={spec.shots}, queries={spec.queries}, "
        f"small_classes={spec.small_classes!r}"
    )


def _check_groups(class_index, spec, needed, counts, is_group):
    """Raise if there are too few classes, or groups that are too small."""
    if not is_group.any():
        raise ValueError(_too_few_classes(class_index, spec, needed, counts))
    if spec.within_groups and spec.small_classes != "drop":
        small = np.flatnonzero(~is_group)
        listed = _listed(
            f"{class_index.group_names[i]} ({counts[i]})" for i in small
        )
        if len(small):
            raise ValueError(
                f"Each group needs at least {spec.least_ways} classes. Too "
                f"small, with their number of classes: {listed}. Use fewer "
                'ways, or `small_classes="drop"` to leave them out. '
                f"Received: ways={spec.ways}"
            )
    if not spec.within_groups and counts[0] < spec.max_ways:
        if spec.rule == "uniform":
            raise ValueError(
                f"An episode may need {spec.max_ways} classes, and the data "
                f"have {counts[0]}. Use a range that ends at {counts[0]}. "
                f"Received: ways={spec.ways}"
            )


def _listed(names, most=10):
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _too_few_classes(class_index, spec, needed, counts):
    if spec.is_regression:
        return (
            f"No task has enough examples, at least {needed}. Use fewer shots "
            f"or queries. Received: {class_index.num_classes} tasks of at most "
            f"{class_index.sizes.max()} examples"
        )
    where = "the largest group has" if spec.within_groups else "the data have"
    return (
        f"An episode needs {spec.least_ways} classes, and {where} "
        f"{counts.max()} of at least {needed} examples. Use fewer ways or more "
        f"classes. Received: ways={spec.ways}"
    )
