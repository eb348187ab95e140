"""Meta-gradients in two parts: adapt without a tape, then look at the end.

For learners whose outer gradient does not go through the inner loop. All tasks
of a meta-batch adapt first, and nothing of it is kept but where they arrived;
the outer loss is then a function of that alone.
"""

import tensorflow as tf

from kerasmeta.learners.held_variables import HeldVariables
from kerasmeta.learners.held_variables import true_state
from kerasmeta.ops import map_tasks


def adapt_tasks(learner, episodes):
    """Return the adapted states of a meta-batch in training.

    Args:
        learner: `GradientLearner`.
        episodes: Dictionary of the meta-batch.

    Returns:
        What `adapt` returns for one task, with a leading axis `T`. As
        `episodes["state"]` it is for `solve_adapted_task`.
    """
    held = HeldVariables([*learner.trainable_variables, *true_state(learner)])
    count = tf.shape(tf.nest.flatten(episodes["support_y"])[0])[0]

    def adapt_task(task):
        seeds = learner.seeds_of_task(task["task"])
        values = [
            seeds.get(id(variable), value)
            for variable, value in zip(held.variables, held.values)
        ]
        with held.scope(values):
            return learner.adapt(
                task["support_x"],
                task["support_y"],
                task.get("support_mask"),
                training=True,
            )

    return map_tasks(adapt_task, {**episodes, "task": tf.range(count)})


def solve_adapted_task(learner, task, training):
    """Predict the queries of a task whose `"state"` is known.

    Returns:
        What `solve_task` returns.
    """
    state = task["state"]
    is_inductive = learner.batch_norm == "inductive"
    if is_inductive:
        # Anew, so that a gradient flows from the statistics to the weights.
        buffers = learner.measure_statistics(
            state["fast_weights"],
            state["buffers"],
            task["support_x"],
            task.get("support_mask"),
        )
        state = {**state, "buffers": buffers}
    query_pred, buffers, losses = learner._predict(
        state, task["query_x"], training, task.get("query_mask")
    )
    if is_inductive:
        buffers = learner._network_state.blend_statistics(buffers)
    results = {"query_pred": query_pred, "buffers": buffers}
    return results if losses is None else {**results, "losses": losses}


def check_fixed_optimizer(learner):
    """Raise a `ValueError` if the inner optimizer has weights to learn."""
    optimizer = learner.inner_optimizer
    if optimizer.trainable_variables:
        raise ValueError(
            f"`{type(learner).__name__}` does not differentiate the inner "
            "loop, so an inner optimizer with weights of its own would never "
            "learn. Use one without, such as "
            "`km.inner_optimizers.GradientDescent`, or another learner. "
            f"Received: inner_optimizer={optimizer!r}"
        )
