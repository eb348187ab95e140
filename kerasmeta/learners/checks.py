"""Checks of what learners are given: clear words before a long training."""

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.layers import Impute
from kerasmeta.learners.clear_padding import clear_padding
from kerasmeta.learners.query_labels import check_query_labels
from kerasmeta.ops import task_at
from kerasmeta.ops.zero_padding import zero_padding

_KEYS = ("support_x", "support_y", "query_x")
_FORMAT = (
    "Episodes must be `(x, query_y)` or `(x, query_y, sample_weight)`, where "
    '`x` is a dictionary with "support_x", "support_y" and "query_x" (and '
    'maybe "support_mask" and "query_mask"), each with a leading axis of tasks '
    "and one of examples. Make them with `kerasmeta.episodes`."
)


def check_episodes(learner, data):
    """Raise a `ValueError` if `fit` or `evaluate` could not use `data`.

    The structure is checked for all kinds of data; the first meta-batch of a
    `tf.data.Dataset` is looked at, too.
    """
    if isinstance(data, tf.distribute.DistributedDataset):
        check_keys(data.element_spec[0])
        return
    if not isinstance(data, tf.data.Dataset):
        x = data[0] if isinstance(data, (list, tuple)) else data
        check_keys(x)
        return
    check_structure(data.element_spec)
    spec = getattr(data, "episode_spec", None)
    for batch in data.take(1):
        x, query_y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        x = clear_padding(x)
        query_y = zero_padding(query_y, x.get("query_mask"))
        _check_values(learner, "support_x", x["support_x"])
        _check_values(learner, "query_x", x["query_x"])
        learner.check_task(
            task_at(x["support_x"], 0),
            _merge_tasks(x["support_y"]),
            query_y=_merge_tasks(query_y),
            ways=None if spec is None else spec.max_ways,
        )


def check_structure(element_spec):
    """Raise a `ValueError` if elements like these are not episodes."""
    is_tuple = isinstance(element_spec, tuple)
    if not is_tuple or len(element_spec) not in (2, 3):
        raise ValueError(f"{_FORMAT} Received elements of: {element_spec}")
    x, query_y = element_spec[:2]
    check_keys(x)
    for name, spec in {**x, "query_y": query_y}.items():
        for leaf in tf.nest.flatten(spec):
            if leaf.shape.rank is not None and leaf.shape.rank < 2:
                raise ValueError(
                    f"{_FORMAT} Received: {name} of shape {leaf.shape}. Call "
                    "`.batch()` on a dataset of single episodes."
                )
    _check_axis(0, "tasks", [x, query_y])
    support = [v for k, v in x.items() if k.startswith("support_")]
    queries = [v for k, v in x.items() if k.startswith("query_")]
    _check_axis(1, "support examples", support)
    _check_axis(1, "queries", [*queries, query_y])
    for name in {"support_mask", "query_mask"} & set(x):
        if x[name].shape.rank not in (None, 2):
            raise ValueError(
                "A mask must have one bool for each example of each task, "
                f"`[T, S]` or `[T, Q]`. Received: {name} of shape "
                f"{x[name].shape}"
            )


def check_class_weight(class_weight):
    """Raise a `ValueError` if training gets weights of classes."""
    if class_weight is not None:
        raise ValueError(
            "`class_weight` has no meaning for episodes: class 0 of one task "
            "is another class than class 0 of the next. Weigh queries instead, "
            "with datasets that yield `(x, query_y, sample_weight)`, "
            "`sample_weight` of shape `[T, Q]`. "
            f"Received: class_weight={class_weight!r}"
        )


def _check_axis(axis, what, specs):
    sizes = {spec.shape[axis] for spec in tf.nest.flatten(specs)} - {None}
    if len(sizes) > 1:
        raise ValueError(
            f"{_FORMAT} Received: different numbers of {what}, {sorted(sizes)}."
        )


def check_keys(x, may_have_more=False):
    """Raise a `ValueError` if the input of a learner is no meta-batch.

    Args:
        x: What should be a dictionary.
        may_have_more: Whether other keys are fine, as some learners add them.
    """
    is_complete = isinstance(x, dict) and set(_KEYS) <= set(x)
    allowed = {*_KEYS, "support_mask", "query_mask"}
    if not is_complete or not (may_have_more or set(x) <= allowed):
        received = sorted(x) if isinstance(x, dict) else type(x).__name__
        raise ValueError(f"{_FORMAT} Received: x={received}")


def check_classes(support_y, query_y=None, ways=None):
    """Raise a `ValueError` if labels do not number classes of a support set.

    Args:
        support_y: Labels of support examples, `[n]`.
        query_y: Labels of queries, `[m]`, where they are known; -1 for those
            of none of the classes.
        ways: Number of classes of the learner, or `None` if it counts them.
    """
    if tf.nest.is_nested(support_y) or not support_y.dtype.is_integer:
        raise ValueError(
            "Labels must be integers 0..ways-1. One-hot labels: use "
            f"`tf.argmax(y, -1)`. Received: support_y={support_y}"
        )
    classes = set(np.unique(support_y).tolist())
    if min(classes) < 0 or (ways and max(classes) >= ways):
        limit = f", and less than ways={ways}" if ways else ""
        raise ValueError(
            f"Labels must be at least 0{limit}. "
            f"Received: support labels {sorted(classes)}"
        )
    labels = set() if query_y is None else set(np.unique(query_y).tolist())
    # As floats, losses would take them for a class.
    is_foreign = {-1} if labels and query_y.dtype.is_integer else set()
    unseen = labels - classes - is_foreign
    if unseen:
        raise ValueError(
            "All labels of the queries must occur in a support set, or be -1, "
            "an integer, for queries of none of the classes. Received: query "
            f"labels {sorted(unseen)}, which no support set has"
        )


def check_labelled(support_y):
    """Return the labels that are not -1, which says that there is none.

    Args:
        support_y: Labels of support examples, `[n]`, or what is no label.
    """
    if tf.nest.is_nested(support_y):
        return support_y
    labelled = tf.boolean_mask(support_y, support_y != -1)
    if not len(labelled):
        raise ValueError(
            "A support example of each class must have a label, 0..ways-1; -1 "
            "are those without. Received: labels of -1 only"
        )
    return labelled


def _check_values(learner, name, values):
    imputes = any(isinstance(v, Impute) for v in learner._flatten_layers())
    for value in tf.nest.flatten(values):
        if not value.dtype.is_floating or np.isfinite(value).all():
            continue
        if imputes and not np.isinf(value).any():
            continue
        raise ValueError(
            f"`{name}` holds NaN or infinity. Impute or remove such examples "
            "before you make episodes, or begin the network with "
            "`kerasmeta.layers.Impute`, which takes NaN."
        )


def check_support(learner, support_x, support_y, support_mask=None):
    """Return one support set as tensors, or say what is wrong with it."""
    signature = learner.episode_signature or {}
    support_x = _as_tensors(support_x, signature.get("support_x"))
    support_y = _as_tensors(support_y, signature.get("support_y"))
    sizes = [
        leaf.shape[0] if leaf.shape.rank else None
        for leaf in tf.nest.flatten([support_x, support_y])
    ]
    if len(set(sizes)) != 1 or not sizes[0]:
        raise ValueError(
            "A support set must have at least one example, and as many labels "
            f"as examples. Received: {sizes} examples and labels"
        )
    mask = _check_mask(support_mask, sizes[0])
    support_x, support_y = zero_padding((support_x, support_y), mask)
    _check_values(learner, "support_x", support_x)
    learner.check_task(support_x, support_y)
    return support_x, support_y, mask


def _check_mask(mask, size):
    if mask is None:
        return None
    mask = np.asarray(mask)
    if mask.shape != (size,) or mask.dtype != bool or not mask.any():
        raise ValueError(
            "`support_mask` must be a bool for each support example, true for "
            f"at least one. Received: support_mask={mask} for {size} examples"
        )
    return tf.constant(mask)


def _as_tensors(values, signature):
    """Convert to tensors, with the dtypes of `signature` where it is known."""
    if values is None:
        raise ValueError(
            "A support set must have examples and their labels: "
            "`support_x, support_y`. Received: None instead of one of them"
        )
    if isinstance(values, dict):
        return {
            name: _as_tensors(value, signature and signature[name])
            for name, value in values.items()
        }
    if isinstance(values, tuple):
        signatures = signature or [None] * len(values)
        return tuple(map(_as_tensors, values, signatures))
    tensor = tf.convert_to_tensor(values)
    if not signature:
        is_float = tensor.dtype.is_floating
        return tf.cast(tensor, "float32") if is_float else tensor
    converted = tf.cast(tensor, signature.split(":")[0])
    if converted.dtype.is_integer and tensor.dtype.is_floating:
        if not np.array_equal(tensor, tf.cast(converted, tensor.dtype)):
            raise ValueError(
                "The learner was trained on integers here, and would cut off "
                f"fractions. Received: {tensor.dtype.name} values {values}"
            )
    return converted


def check_network(
    network, support_x, support_y, ways=None, query_y=None, loss=None
):
    """Raise a `ValueError` if a network cannot be used for such tasks.

    Args:
        network: The `keras.Model` that is adapted.
        support_x: Support examples of one task, `[S, ...]`.
        support_y: Labels or targets, `[n, ...]`.
        ways: Number of classes of an episode, where it is known.
        query_y: Labels or targets of queries, `[m, ...]`, where they are known.
        loss: What `compile(loss=)` took.
    """
    specs = tf.nest.map_structure(
        lambda t: keras.KerasTensor((None, *t.shape[1:]), t.dtype.name),
        support_x,
    )
    try:
        outputs = network.compute_output_spec(specs)
    except (ValueError, TypeError) as error:
        shapes = tf.nest.map_structure(lambda t: tuple(t.shape[1:]), specs)
        raise ValueError(
            f"The network {network.name!r} does not take examples like those "
            "of the episodes, which must have one axis of tasks and one of "
            f"examples before their own. Received: examples of shape {shapes}. "
            f"The network says: {error}"
        ) from error
    is_classes = not tf.nest.is_nested(support_y) and (
        support_y.dtype.is_integer
    )
    classes = None
    if is_classes and not tf.nest.is_nested(outputs):
        classes = _check_width(outputs.shape[-1], support_y, ways)
    check_query_labels(query_y, classes, loss)


def check_examples(backbone, support_x, name="backbone"):
    """Raise a `ValueError` if a network does not take such examples.

    It is called on one of them: Keras takes more than its shapes say, such as
    images without an axis of channels.

    Args:
        backbone: `keras.Model`.
        support_x: Support examples of one task, `[S, ...]`.
        name: What the learner calls it.
    """
    one = tf.nest.map_structure(lambda t: t[:1], support_x)
    try:
        backbone(one, training=False)
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        shapes = tf.nest.map_structure(lambda t: tuple(t.shape[1:]), one)
        raise ValueError(
            f"The {name} {backbone.name!r} does not take examples like those "
            "of the episodes, which must have one axis of tasks and one of "
            f"examples before their own. Received: examples of shape {shapes}. "
            f"The {name} says: {error}"
        ) from error


def _check_width(width, labels, ways):
    """Return the number of classes of a head, or say that it does not fit."""
    classes = 2 if width == 1 else width
    lowest, highest = int(np.min(labels)), int(np.max(labels))
    if lowest < 0 or highest >= classes or (ways or classes) != classes:
        raise ValueError(
            "The head of a network must be as wide as the episodes have ways "
            "(or 1 for two classes and a binary loss). "
            f"Received: a head of width {width}, labels {lowest}..{highest}"
            + (f", ways={ways}" if ways else "")
            + ". Build the network with another number of outputs, such as "
            f"`num_classes={ways or highest + 1}`."
        )
    return classes


def _merge_tasks(nest):
    return tf.nest.map_structure(
        lambda t: tf.reshape(t, tf.concat([[-1], tf.shape(t)[2:]], 0)), nest
    )
