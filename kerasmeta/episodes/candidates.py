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
        fits = _large_enough(class_index, spec)
        groups = class_index.group_of_class
        if not spec.within_groups:
            groups = np.zeros(class_index.num_classes, "int64")
        counts = np.bincount(groups[fits], minlength=groups.max() + 1)
        is_group = counts >= spec.least_ways
        if not is_group.any():
            raise ValueError(_too_few_classes(class_index, spec, counts))
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


def _large_enough(class_index, spec):
    """Return which classes can be drawn, or raise as the spec says."""
    needed = spec.examples_per_class
    if spec.small_classes == "fewer_queries":
        needed = 1 + (1 if spec.rule == "meta_dataset" else spec.max_shots)
    fits = class_index.sizes >= needed
    small = np.flatnonzero(~fits)
    if not len(small) or spec.small_classes == "drop":
        return fits
    listed = ", ".join(
        f"{class_index.class_name(i)} ({class_index.sizes[i]})"
        for i in small[:10]
    )
    more = "" if len(small) <= 10 else f" and {len(small) - 10} more"
    what = "task" if spec.is_regression else "class"
    remedies = '`small_classes="drop"` to leave them out'
    if spec.small_classes == "error":
        remedies += ', or "fewer_queries" to draw what they have'
    raise ValueError(
        f"Each {what} needs at least {needed} examples, because support and "
        "query never overlap. Too small, with their number of examples: "
        f"{listed}{more}. Use fewer shots or queries, or {remedies}. "
        f"Received: shots={spec.shots}, queries={spec.queries}, "
        f"small_classes={spec.small_classes!r}"
    )


def _too_few_classes(class_index, spec, counts):
    if spec.is_regression:
        return (
            "No task has enough examples, shots + queries = "
            f"{spec.examples_per_class}. Use fewer of them. "
            f"Received: {class_index.num_classes} tasks of at most "
            f"{class_index.sizes.max()} examples"
        )
    where = "the largest group has" if spec.within_groups else "the data have"
    return (
        f"An episode needs {spec.least_ways} classes, and {where} "
        f"{counts.max()} of at least {spec.examples_per_class} examples. Use "
        f"fewer ways or more classes. Received: ways={spec.ways}"
    )
