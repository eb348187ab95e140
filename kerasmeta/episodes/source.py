"""Where examples come from: an index of classes, and how to load examples."""

import collections.abc
import dataclasses

import tensorflow as tf

from kerasmeta.episodes.class_index import ClassIndex


@dataclasses.dataclass(frozen=True)
class Source:
    """Labelled data that episodes can be drawn from.

    All that a kind of data has to say: the rest is written once, in
    `EpisodeStream` and `source_episodes`.

    Args:
        class_index: `ClassIndex`; for regression its classes are the tasks.
        load: Function from example ids, an int64 tensor `[n]`, to examples, a
            nest of tensors `[n, ...]` of static shape but for `n`. It runs in
            a graph.
        load_targets: For regression, the same for targets, `[n, ...]`.
        name: What the data are called in messages.
    """

    class_index: ClassIndex
    load: collections.abc.Callable
    load_targets: collections.abc.Callable | None = None
    name: str = "data"

    @property
    def num_examples(self):
        """Number of examples, whose ids are `0..num_examples - 1`."""
        return len(self.class_index.classes)


def load_nested(load, ids):
    """Load examples for ids `[B, S]`, as a nest of `[B, S, ...]`."""

    def unflatten(tensor):
        shape = tf.concat([tf.shape(ids), tf.shape(tensor)[1:]], axis=0)
        nested = tf.reshape(tensor, shape)
        nested.set_shape([*ids.shape, *tensor.shape[1:]])
        return nested

    return tf.nest.map_structure(unflatten, load(tf.reshape(ids, [-1])))
