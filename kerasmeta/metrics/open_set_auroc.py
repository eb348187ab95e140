"""How well queries of none of the classes are told from the others."""

import keras
import tensorflow as tf

from kerasmeta.metrics.foreign_queries import current_episodes
from kerasmeta.ops import auroc
from kerasmeta.ops import open_set_scores
from kerasmeta.ops.open_set import OPEN_SET_SCORES
from kerasmeta.ops.open_set import count_pairs
from kerasmeta.utils import check_choice


@keras.saving.register_keras_serializable(package="kerasmeta")
class OpenSetAUROC(keras.metrics.Metric):
    """Mean over episodes of the area under the ROC curve for foreign queries.

    Use it where queries may belong to none of the classes of a task: they have
    the label -1. For an episode it is the probability that a foreign query
    has a larger `km.ops.open_set_scores` than another one: 0.5 is chance, 1 is
    perfect. Scores are compared within an episode only, for they mean nothing
    beyond. Compile a learner with it, and `fit` and `evaluate` report it beside
    other metrics, which leave foreign queries out.

    Episodes with foreign queries only, or without, are left out; it is NaN
    until there is another. Its interval over tasks is NaN if one without
    is left out. Logits of NaN make it NaN.

    Args:
        score: `"max_probability"`, `"max_logit"`, `"energy"` or `"entropy"`.
        name: Name of the metric.
        **kwargs: `dtype`, as for `keras.metrics.Metric`.

    Call arguments:
        y_true: Labels, `[T, Q]`, or `[Q]` of one episode.
        y_pred: Logits, `[T, Q, N]` or `[Q, N]`.
        sample_weight: Optional `[T, Q]` or `[Q]`, zero for padding.

    Raises:
        ValueError: If `score` is unknown.

    Example:

    >>> metric = km.metrics.OpenSetAUROC()
    >>> metric.update_state([0, 1, -1], [[4.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    >>> float(metric.result())
    1.0
    """

    def __init__(
        self, score="max_probability", name="open_set_auroc", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.score = check_choice("score", score, OPEN_SET_SCORES)
        self.total = self.add_variable((), "zeros", name="total")
        self.count = self.add_variable((), "zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        episodes = current_episodes()
        if episodes is not None:
            y_true, y_pred, mask, weights = episodes
            is_weighted = sample_weight is not None
            sample_weight = _product(mask, weights if is_weighted else None)
        y_pred = tf.cast(y_pred, self.dtype)
        y_true = tf.convert_to_tensor(y_true)
        if y_true.shape.rank == y_pred.shape.rank and y_true.shape[-1] == 1:
            y_true = y_true[..., 0]
        ranks = y_true.shape.rank, y_pred.shape.rank
        if None not in ranks and ranks[1] != ranks[0] + 1:
            raise ValueError(
                "`y_pred` must be logits `[T, Q, N]` for labels `[T, Q]`, or "
                "`[Q, N]` for `[Q]`. Received: predictions of shape "
                f"{y_pred.shape} for labels of shape {y_true.shape}"
            )
        weights = (
            tf.ones_like(y_pred[..., 0])
            if sample_weight is None
            else tf.cast(sample_weight, y_pred.dtype)
        )
        scores = open_set_scores(y_pred, self.score)
        areas = auroc(scores, y_true < 0, weights)
        # Not where the area is no NaN: that would hide logits of NaN.
        is_area = count_pairs(y_true < 0, weights) > 0
        areas = tf.where(is_area, areas, tf.zeros_like(areas))
        self.total.assign_add(tf.reduce_sum(areas))
        self.count.assign_add(tf.reduce_sum(tf.cast(is_area, areas.dtype)))

    def result(self):
        return self.total / self.count

    def get_config(self):
        return {**super().get_config(), "score": self.score}


def _product(mask, weights):
    """Return the weights of what a mask shows; either may be `None`."""
    if mask is None or weights is None:
        return weights if mask is None else mask
    return tf.cast(mask, weights.dtype) * weights
