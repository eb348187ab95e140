"""Judging learners on queries of none of the classes."""

import keras
import tensorflow as tf

from kerasmeta.metrics import TaskIntervals
from kerasmeta.ops import auroc
from kerasmeta.ops import open_set_scores
from kerasmeta.ops.open_set import OPEN_SET_SCORES
from kerasmeta.ops.open_set import count_pairs
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int


def open_set_episodes(data, unknown_ways):
    """Return episodes in which some classes have queries but no support.

    Classes are numbered at random in an episode, so the last `unknown_ways` of
    them are as good as any: their support examples become padding, which
    learners leave out, and their queries get the label -1.

    Args:
        data: `tf.data.Dataset` of classification episodes; a spec of
            `ways=known + unknown` classes.
        unknown_ways: Number of classes that become unknown.

    Returns:
        A `tf.data.Dataset` of episodes with a `"support_mask"`, for
        `evaluate_open_set` and for `fit` and `evaluate`, whose losses and
        metrics leave out queries with the label -1; `km.metrics.OpenSetAUROC`
        is about them.

    Raises:
        ValueError: If `data` is no dataset, or `unknown_ways` is not a
            positive integer.

    Example:

    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=2)
    >>> data = km.tasks.Glyphs("test").episodes(spec, batch_size=1)
    >>> data = km.evaluation.open_set_episodes(data, unknown_ways=2)
    >>> _, query_y = next(iter(data))
    >>> sorted(query_y.numpy()[0].tolist())
    [-1, -1, -1, -1, 0, 0, 1, 1, 2, 2]
    """
    _check_dataset(data)
    unknown_ways = check_positive_int("unknown_ways", unknown_ways)

    def open_up(x, query_y, *rest):
        labels, query_y = _flat(x["support_y"]), _flat(query_y)
        mask = x.get("support_mask", tf.ones_like(labels, "bool"))
        lowest = -tf.ones_like(labels)
        ways = 1 + tf.reduce_max(
            tf.where(mask, labels, lowest), axis=1, keepdims=True
        )
        known = ways - unknown_ways
        check = tf.debugging.assert_positive(
            known,
            "Each episode must have more ways than `unknown_ways`, which is "
            f"{unknown_ways}.",
        )
        with tf.control_dependencies([check]):
            mask &= labels < known
        x = {
            **x,
            # No learner shall count the classes that are gone.
            "support_y": tf.where(mask, labels, tf.zeros_like(labels)),
            "support_mask": mask,
        }
        return x, tf.where(query_y < known, query_y, -1), *rest

    return data.map(open_up)


def evaluate_open_set(learner, data, score="max_probability"):
    """Judge a learner on episodes with queries of none of the classes.

    Use it to know whether a learner notices what it has never seen, and which
    score tells best.

    Args:
        learner: A learner of classes that honours masks.
        data: Finite dataset of `open_set_episodes`.
        score: `"max_probability"`, `"max_logit"`, `"energy"` or `"entropy"`,
            as for `km.ops.open_set_scores`.

    Returns:
        A dictionary of means over episodes: `"auroc"`, as of
        `km.metrics.OpenSetAUROC`, and `"accuracy"`, of the queries that belong
        to a class, each with the half-width of its 95 % confidence interval,
        `"auroc_ci95"` and `"accuracy_ci95"`.

    Raises:
        ValueError: If `score` is unknown, `data` is no dataset, endless or
            empty, an episode has no queries of either kind, or the learner
            gives NaN.

    Example:

    >>> learner = km.learners.ProtoNet(
    ...     km.backbones.conv4((28, 28, 1), filters=4)
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=2, queries=2)
    >>> data = km.tasks.Glyphs("test").episodes(spec, num_episodes=8)
    >>> data = km.evaluation.open_set_episodes(data, unknown_ways=2)
    >>> sorted(km.evaluation.evaluate_open_set(learner, data))
    ['accuracy', 'accuracy_ci95', 'auroc', 'auroc_ci95']
    """
    check_choice("score", score, OPEN_SET_SCORES)
    _check_dataset(data)
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError(
            "`data` must be a dataset that ends. Make the episodes with "
            f"`num_episodes`. Received: data={data}"
        )

    @tf.function(reduce_retracing=True)
    def judge(episodes, query_y):
        logits = learner(episodes, training=False)
        mask = episodes.get("query_mask")
        return _judge(logits, _flat(query_y), mask, score)

    intervals, parts, are_mixed = TaskIntervals(), [], []
    for batch in data:
        x, query_y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        measures, is_mixed = judge(x, query_y)
        parts.append(measures)
        are_mixed.append(is_mixed)
        intervals.update_state(measures)
    _check_measures(parts, are_mixed, data)
    means = {
        name: float(tf.reduce_mean(tf.concat([p[name] for p in parts], 0)))
        for name in parts[0]
    }
    widths = {name: float(width) for name, width in intervals.result().items()}
    return {**means, **widths}


def _judge(logits, query_y, mask, score):
    """Return the measures of each episode, and which have both kinds.

    Returns:
        A dictionary of `[T]`, and bool `[T]`.
    """
    weights = tf.ones_like(logits[..., 0])
    if mask is not None:
        weights *= tf.cast(mask, logits.dtype)
    known = weights * tf.cast(query_y >= 0, logits.dtype)
    answers = tf.argmax(logits, axis=-1, output_type=query_y.dtype)
    hits = known * tf.cast(answers == query_y, logits.dtype)
    measures = {
        "auroc": auroc(open_set_scores(logits, score), query_y < 0, weights),
        "accuracy": tf.math.divide_no_nan(
            tf.reduce_sum(hits, axis=1), tf.reduce_sum(known, axis=1)
        ),
    }
    return measures, count_pairs(query_y < 0, weights) > 0


def _flat(labels):
    """Return labels without a last axis of one."""
    is_wide = labels.shape.rank == 3 and labels.shape[-1] == 1
    return labels[..., 0] if is_wide else labels


def _check_dataset(data):
    if not isinstance(data, tf.data.Dataset):
        raise ValueError(
            "`data` must be a dataset of episodes, such as "
            "`kerasmeta.episodes.episodes_from_arrays` makes it. "
            f"Received: data of type {type(data).__name__}"
        )


def _check_measures(parts, are_mixed, data):
    if not parts or not all(tf.reduce_all(mixed) for mixed in are_mixed):
        raise ValueError(
            "Each episode must have queries of its classes and others, and "
            "there must be one. Make them with `open_set_episodes`. "
            f"Received: data={data}"
        )
    areas = tf.concat([part["auroc"] for part in parts], axis=0)
    count = int(tf.math.count_nonzero(tf.math.is_nan(areas)))
    if count:
        raise ValueError(
            "The logits of the learner must be numbers. NaN comes from a "
            "training that has diverged, or from NaN in the examples. "
            f"Received: NaN in {count} of {len(areas)} episodes"
        )
