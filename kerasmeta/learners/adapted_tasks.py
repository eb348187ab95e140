"""Meta-gradients in two parts: adapt without a tape, then look at the end.

For learners whose outer gradient does not go through the inner loop. All tasks
of a meta-batch adapt first, and nothing of it is kept but where they arrived;
the outer loss is then a function of that alone.
"""

import tensorflow as tf

from kerasmeta.learners.held_variables import hold
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
    held = hold(learner)
    count = tf.shape(tf.nest.flatten(episodes["support_y"])[0])[0]

    def adapt_task(task):
        seeds = learner.seeds_of_task(task["task"])
        with held.scope(held.with_seeds(seeds)):
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
    if learner.batch_norm == "inductive":
        # Anew, so that a gradient flows from the statistics to the weights.
        buffers = learner.measure_statistics(
            state["fast_weights"],
            state["buffers"],
            task["support_x"],
            task.get("support_mask"),
        )
        state = {**state, "buffers": buffers}
    return learner.judge(state, task, training)


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
