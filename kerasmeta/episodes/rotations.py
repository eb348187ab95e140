"""Rotated images as classes of their own."""

import dataclasses

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.class_index import ClassIndex


def with_rotations(source):
    """Return a source with three more classes for each class of images.

    The images of a class, turned by 90, 180 and 270 degrees, are new classes.
    They are turned when they are loaded, so they take no memory.

    Reference: Santoro et al., 2016, "Meta-Learning with Memory-Augmented
    Neural Networks", ICML.

    Args:
        source: `Source` of square images `[height, width, channels]`.
    """
    if source.load_targets is not None:
        raise ValueError(
            "`class_rotations` makes new classes, and regression tasks have "
            "none. Received: class_rotations=True, a spec without `ways`"
        )
    num_examples = source.num_examples
    _check_square(source)
    index = source.class_index
    labels = np.concatenate(
        [index.classes + turn * index.num_classes for turn in range(4)]
    )
    groups = None
    if index.group_of_class is not None:
        group = index.group_names[index.group_of_class[index.classes]]
        groups = np.tile(group, 4)
    rotated = ClassIndex(labels, groups)
    rotated.names = np.array(
        [
            f"{index.names[name % index.num_classes]}"
            f" turned {90 * (name // index.num_classes)}"
            for name in rotated.names
        ]
    )

    def load(ids):
        images = source.load(ids % num_examples)
        turns = tf.cast(ids // num_examples, "int32")
        return _turn(images, turns)

    return dataclasses.replace(source, class_index=rotated, load=load)


def _turn(images, turns):
    """Turn image `i` by `90 * turns[i]` degrees, as `np.rot90` does."""
    is_odd = (turns % 2 == 1)[:, None, None, None]
    is_half = (turns >= 2)[:, None, None, None]
    # A quarter turn is a transposition, then a flip upside down.
    quarter = tf.reverse(tf.transpose(images, [0, 2, 1, 3]), axis=[1])
    turned = tf.where(is_odd, quarter, images)
    return tf.where(is_half, tf.reverse(turned, axis=[1, 2]), turned)


def _check_square(source):
    spec = tf.function(source.load).get_concrete_function(
        tf.TensorSpec([None], "int64")
    )
    shapes = [t.shape for t in tf.nest.flatten(spec.structured_outputs)]
    if len(shapes) != 1 or shapes[0].rank != 4 or shapes[0][1] != shapes[0][2]:
        raise ValueError(
            "`class_rotations` turns square images [height, width, channels]. "
            f"Received: examples of shape {[tuple(s[1:]) for s in shapes]}"
        )
