"""Labels of TFDS data sets, in words where there are words."""

import numpy as np
import tensorflow_datasets as tfds

from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.episodes.array_checks import decode_labels


def label_names(feature, values, key):
    """Return the labels of examples, as words if the data set has them.

    Args:
        feature: Feature of the data set that the labels are of.
        values: What it is for each example.
        key: Its name.
    """
    values = decode_labels(check_labels(values, key), key)
    if not isinstance(feature, tfds.features.ClassLabel):
        return values
    bad = np.flatnonzero((values < 0) | (values >= feature.num_classes))
    if len(bad):
        raise ValueError(
            f"Each example must have a class {key!r}. Choose another split, in "
            f"which all have one. Received: {values[bad[0]]} in {len(bad)} of "
            f"{len(values)} examples, first in number {bad[0]}"
        )
    return _words(feature)[values]


def class_names(feature, classes):
    """Return the classes to keep, given as words or numbers, as words."""
    is_label = isinstance(feature, tfds.features.ClassLabel)
    if not is_label or isinstance(classes, str) or np.ndim(classes) != 1:
        return classes
    return [_class_name(feature, name) for name in classes]


def _class_name(feature, name):
    if not isinstance(name, (int, np.integer)):
        return str(name)
    if not 0 <= name < feature.num_classes:
        raise ValueError(
            "`classes` must be names of classes, or numbers "
            f"0..{feature.num_classes - 1}. Received: {name}"
        )
    return feature.int2str(name)


def _words(feature):
    return np.array([feature.int2str(i) for i in range(feature.num_classes)])
