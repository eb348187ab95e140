"""Meta-gradients task by task: the memory of one task, whatever the batch."""

import tensorflow as tf

from kerasmeta.learners.held_variables import hold
from kerasmeta.learners.mean_over_tasks import is_mean_over_tasks
from kerasmeta.ops import is_sequential
from kerasmeta.ops import stack_tasks
from kerasmeta.ops import task_at

# Enough to keep cores busy through the small operations of one task.
_TASKS_AT_ONCE = 4


def is_better_by_task(learner, episodes):
    """Return whether tasks are better differentiated one by one."""
    support_x = episodes["support_x"]
    if tf.nest.flatten(support_x)[0].shape[0] == 1:
        return False
    return is_mean_over_tasks(learner) and (
        tf.executing_eagerly()
        or is_sequential(
            learner.network, learner.network_input(task_at(support_x, 0))
        )
    )


def gradients_by_task(learner, episodes, query_y, sample_weight=None):
    """Return the outer loss, predictions and gradients as `meta_gradients`.

    The loss of each task is differentiated by itself and the gradients are
    summed, so that what one task needs in memory is freed before the next.

    Args:
        learner: `GradientLearner` for which `is_mean_over_tasks`.
        episodes: Dictionary of the meta-batch.
        query_y: `[T, Q, ...]`.
        sample_weight: Optional `[T, Q]`.
    """
    held = hold(learner)
    tasks = {"x": dict(episodes), "y": query_y}
    if sample_weight is not None:
        tasks["sample_weight"] = sample_weight
    one_target = tf.nest.flatten(query_y)[0]
    count = one_target.shape[0] or tf.shape(one_target)[0]
    tasks["task"] = tf.range(count)
    total, stacked = _sum_and_stack(
        lambda task: _one_task(learner, held, task),
        tasks,
        count,
        1 if learner.rematerialize else _TASKS_AT_ONCE,
    )
    share = 1 / tf.cast(count, total["loss"].dtype)
    total = tf.nest.map_structure(lambda t: t * tf.cast(share, t.dtype), total)
    _assign(held, stacked["state"])
    gradients = [
        total["gradients"].get(str(i))
        for i in range(len(learner.trainable_variables))
    ]
    return total["loss"], stacked["query_pred"], gradients


def _one_task(learner, held, task):
    """Return what is summed over tasks, and what is stacked."""
    values = held.with_seeds(learner.seeds_of_task(task["task"]))
    batch = tf.nest.map_structure(lambda t: t[None], task)
    sources = held.values[: len(learner.trainable_variables)]
    with held.scope(values) as scope, tf.GradientTape() as tape:
        tape.watch(sources)
        loss, query_pred = learner.meta_loss(
            batch["x"], batch["y"], batch.get("sample_weight")
        )
        scaled = learner.scale_loss(loss)
    gradients = tape.gradient(scaled, sources)
    summed = {
        "loss": loss,
        "gradients": {
            str(i): tf.convert_to_tensor(g)
            for i, g in enumerate(gradients)
            if g is not None
        },
    }
    state = {}
    for i, (variable, before) in enumerate(zip(held.variables, values)):
        value = scope.get_current_value(variable)
        if value is not before:
            state[str(i)] = tf.convert_to_tensor(value)
    query_pred = tf.nest.map_structure(lambda t: t[0], query_pred)
    return summed, {"query_pred": query_pred, "state": state}


def _sum_and_stack(fn, tasks, count, at_once):
    if tf.executing_eagerly():
        results = [fn(task_at(tasks, i)) for i in range(int(count))]
        total = tf.nest.map_structure(
            lambda *t: tf.add_n(t), *[summed for summed, _ in results]
        )
        return total, stack_tasks([stacked for _, stacked in results])
    specs = tf.nest.map_structure(
        lambda t: tf.TensorSpec(t.shape[1:], t.dtype), tasks
    )
    one_task = tf.function(fn, autograph=False).get_concrete_function(specs)
    summed, stacked = one_task.structured_outputs
    arrays = tf.nest.map_structure(
        lambda t: tf.TensorArray(t.dtype, size=count, element_shape=t.shape),
        stacked,
    )

    def body(i, total, arrays):
        summed, stacked = one_task(task_at(tasks, i))
        total = tf.nest.map_structure(tf.add, total, summed)
        arrays = tf.nest.map_structure(
            lambda array, t: array.write(i, t), arrays, stacked
        )
        return i + 1, total, arrays

    zeros = tf.nest.map_structure(lambda t: tf.zeros(t.shape, t.dtype), summed)
    _, total, arrays = tf.while_loop(
        lambda i, *_: i < count,
        body,
        (tf.constant(0), zeros, arrays),
        maximum_iterations=count,
        parallel_iterations=at_once,
    )
    return total, tf.nest.map_structure(lambda array: array.stack(), arrays)


def _assign(held, state):
    """Store what tasks left behind: means of floats, else that of task 0."""
    for name, values in state.items():
        if values.dtype.is_floating:
            value = tf.reduce_mean(values, 0)
        else:
            value = values[0]
        held.variables[int(name)].assign(value)
