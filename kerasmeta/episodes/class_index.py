"""Which examples belong to which class, and which classes to which group."""

import numpy as np


class ClassIndex:
    """An index `class -> example ids`, flat so that a graph can gather it.

    Args:
        labels: The class of each example, `[num_examples]`: integers or
            strings. For regression, the task of each example.
        groups: Optional group of each example, `[num_examples]`. Classes of
            different groups are different classes, also of the same label.
    """

    def __init__(self, labels, groups=None):
        names, inverse = np.unique(labels, return_inverse=True)
        if groups is None:
            self.group_names, self.group_of_class = np.array(["all"]), None
        else:
            self.group_names, group = np.unique(groups, return_inverse=True)
            pairs, inverse = np.unique(
                group * len(names) + inverse, return_inverse=True
            )
            # Sorted by group, so that the classes of a group are a range.
            self.group_of_class = pairs // len(names)
            names = names[pairs % len(names)]
        self.names = names
        self.classes = inverse  # (num_examples,), the class number of each.
        self.sizes = np.bincount(inverse, minlength=len(names))
        self.starts = np.cumsum(self.sizes) - self.sizes
        # A stable sort keeps the ids of a class in the order of the data.
        self.ids = np.argsort(inverse, kind="stable")

    @property
    def num_classes(self):
        """Number of classes."""
        return len(self.names)

    def class_name(self, i):
        """Return the name of class number `i`, with its group if it has one."""
        if self.group_of_class is None:
            return str(self.names[i])
        return f"{self.group_names[self.group_of_class[i]]}/{self.names[i]}"
