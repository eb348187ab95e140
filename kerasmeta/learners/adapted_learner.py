"""A gradient learner that has learned one task."""

from kerasmeta.learners.adapted_layers import copy_adapted_layers
from kerasmeta.learners.adapted_model import AdaptedModel
from kerasmeta.learners.checks import check_support


def adapt_learner(learner, support_x, support_y, support_mask=None):
    """Return what `adapted_model` is for learners that are more than a network.

    As the adapted copy of a plain network, it normalizes queries with the
    statistics of the support set, whatever else is in their batch.

    Args:
        learner: `GradientLearner` of which a state can be measured with
            `measure_statistics`.
        support_x: Support examples, `[S, ...]`, or a nest.
        support_y: Their labels or targets, `[S, ...]`.
        support_mask: Optional `[S]`, true for the examples that count.
    """
    support = check_support(learner, support_x, support_y, support_mask)
    support_x, _, support_mask = support
    state = learner.adapt(*support)
    if learner.batch_norm == "transductive":
        buffers = learner.measure_statistics(
            state["fast_weights"], state["buffers"], support_x, support_mask
        )
        state = {**state, "buffers": buffers}
        learner = _with_support_statistics(learner)
    return AdaptedModel(learner, state)


def _with_support_statistics(learner):
    config = {**learner.get_config(), "batch_norm": "inductive"}
    copy = type(learner).from_config(config)
    copy.set_weights(learner.get_weights())
    copy_adapted_layers(learner, copy)
    return copy
