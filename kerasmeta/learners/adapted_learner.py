"""A gradient learner, or its network, that has learned one task."""

from kerasmeta.learners.adapted_layers import copy_adapted_layers
from kerasmeta.learners.adapted_model import AdaptedModel
from kerasmeta.learners.checks import check_support
from kerasmeta.learners.lora_weights import enable_lora_as


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


def adapt_network(learner, support_x, support_y, support_mask=None):
    """Return what `adapted_model` is where a network is all that adapts.

    A copy of the network with the adapted weights. A plain model normalizes
    with moving statistics; those of the network belong to no task, so it gets
    the support set's.

    Args:
        learner: `GradientLearner` whose `fast_variables` are what adapts.
        support_x: Support examples, `[S, ...]`, or a nest.
        support_y: Their labels or targets, `[S, ...]`.
        support_mask: Optional `[S]`, true for the examples that count.
    """
    support = check_support(learner, support_x, support_y, support_mask)
    support_x, _, support_mask = support
    state = learner.adapt(*support)
    weights, buffers = state["fast_weights"], state["buffers"]
    if learner.batch_norm != "moving":
        buffers = learner.measure_statistics(
            weights, buffers, support_x, support_mask
        )
    return learner._network_state.copy(
        learner.fast_variables(), weights, buffers, support_x
    )


def _with_support_statistics(learner):
    config = {**learner.get_config(), "batch_norm": "inductive"}
    copy = type(learner).from_config(config)
    enable_lora_as(learner, copy)
    copy.set_weights(learner.get_weights())
    copy_adapted_layers(learner, copy)
    return copy
