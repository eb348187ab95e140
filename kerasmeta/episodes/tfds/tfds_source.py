"""A source of the examples of a TFDS data set."""

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.array_checks import check_finite
from kerasmeta.episodes.array_source import array_loader
from kerasmeta.episodes.array_source import as_example
from kerasmeta.episodes.class_filter import keep_classes
from kerasmeta.episodes.class_index import ClassIndex
from kerasmeta.episodes.source import Source
from kerasmeta.episodes.tfds.record_loader import RecordLoader
from kerasmeta.episodes.tfds.tfds_features import FeatureParser
from kerasmeta.episodes.tfds.tfds_labels import class_names
from kerasmeta.episodes.tfds.tfds_labels import label_names
from kerasmeta.episodes.tfds.tfds_records import record_reader


def tfds_source(
    builder,
    split,
    class_key,
    example_key,
    group_key=None,
    classes=None,
    image_size=None,
    interpolation="bilinear",
    cache_limit=0,
):
    """Return a `Source` of a split of a data set.

    Args:
        builder: TFDS builder whose data are prepared.
        split: Split as TFDS takes it.
        class_key: Name of the feature that is the class.
        example_key: Name of the feature that is the example, or a nest.
        group_key: Name of the feature that is the group, or `None`.
        classes: List of classes to keep, names or numbers, or `None`.
        image_size: `(height, width)` to resize images to, or `None`.
        interpolation: Method of `tf.image.resize`.
        cache_limit: From how many bytes on examples stay on the disk.
    """
    features = builder.info.features
    parser = FeatureParser(features, example_key, image_size, interpolation)
    read, num_examples = record_reader(builder, split)
    labels = _read_labels(read, num_examples, features, class_key, "class_key")
    kept = keep_classes(labels, class_names(features[class_key], classes))
    groups = None
    if group_key is not None:
        groups = _read_labels(
            read, num_examples, features, group_key, "group_key"
        )[kept]
    loader = RecordLoader(read, parser.parse, parser.element_spec)
    if _num_bytes(parser.element_spec, len(kept), builder) < cache_limit:
        load = _cached(loader, kept)
    else:
        load = _lazy(loader, kept)
    return Source(ClassIndex(labels[kept], groups), load, name=builder.name)


def _read_labels(read, num_examples, features, key, argument):
    parser = FeatureParser(features, key, argument=argument)
    spec = parser.element_spec
    if not isinstance(spec, tf.TensorSpec) or spec.shape.rank:
        raise ValueError(
            f"`{argument}` must be the name of one feature that is one number "
            f"or string. Received: {argument}={key!r}, which is {spec}"
        )
    loader = RecordLoader(read, parser.parse, spec)
    values = loader.load_all(np.arange(num_examples))
    return label_names(features[key], values, key)


def _num_bytes(element_spec, num_examples, builder):
    """Return about how much memory examples take."""
    num_bytes = 0
    for spec in tf.nest.flatten(element_spec):
        if spec.dtype == tf.string:  # Of unknown length.
            num_bytes += builder.info.dataset_size
        else:
            num_bytes += (
                num_examples * spec.shape.num_elements() * spec.dtype.size
            )
    return num_bytes


def _cached(loader, kept):
    arrays = loader.load_all(kept)
    for array in tf.nest.flatten(arrays):
        check_finite(array, kept, "examples")
    return array_loader(arrays)


def _lazy(loader, kept):
    kept = tf.constant(kept, "int64")
    return lambda ids: tf.nest.map_structure(
        lambda tensor: as_example(_check_finite(tensor)),
        loader.load(tf.gather(kept, ids)),
    )


def _check_finite(tensor):
    if not tensor.dtype.is_floating:
        return tensor
    return tf.debugging.assert_all_finite(
        tensor,
        "Examples must hold finite numbers. Impute or remove the others first. "
        "Received: NaN or infinity in an example that was drawn",
    )
