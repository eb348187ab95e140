"""Which examples belong to which class."""

import numpy as np
import tensorflow as tf


class ClassIndex:
    """An index `class -> example ids`, flat so that a graph can gather it.

    Args:
        labels: The class of each example, `[num_examples]`: integers or
            strings.
    """

    def __init__(self, labels):
        self.names, inverse, sizes = np.unique(
            labels, return_inverse=True, return_counts=True
        )
        self.num_classes = len(self.names)
        self.longest = int(sizes.max())
        starts = np.cumsum(sizes) - sizes
        # A stable sort keeps the ids of a class in the order of the data.
        self.ids = tf.constant(np.argsort(inverse, kind="stable"), "int64")
        self.starts = tf.constant(starts, "int64")
        self.sizes = tf.constant(sizes, "int32")

    def check_spec(self, spec):
        """Raise a `ValueError` if episodes of this size cannot be drawn."""
        if self.num_classes < spec.ways:
            raise ValueError(
                f"An episode needs {spec.ways} classes, and the labels have "
                f"{self.num_classes}. Use fewer ways or more classes. "
                f"Received: ways={spec.ways}"
            )
        sizes = self.sizes.numpy()
        small = np.flatnonzero(sizes < spec.examples_per_class)
        if len(small):
            listed = ", ".join(
                f"{self.names[i]!s} ({sizes[i]})" for i in small[:10]
            )
            more = "" if len(small) <= 10 else f" and {len(small) - 10} more"
            raise ValueError(
                "Each class needs at least shots + queries = "
                f"{spec.examples_per_class} examples, because support and "
                "query never overlap. Too small, with their number of "
                f"examples: {listed}{more}. Remove these classes, or use "
                f"fewer shots or queries. Received: shots={spec.shots}, "
                f"queries={spec.queries}"
            )
