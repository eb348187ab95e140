"""Do the same for every task of a meta-batch."""

import tensorflow as tf

# Vectorizing these over tasks costs more than it saves: a convolution whose
# weights differ from task to task becomes a grouped or reshaped one, and a
# loop must run as long as the longest.
_SEQUENTIAL_OPS = frozenset(
    [
        "Conv2D",
        "Conv3D",
        "DepthwiseConv2dNative",
        "While",
        "StatelessWhile",
        "MaxPool",
        "MaxPool3D",
    ]
)


def map_tasks(fn, tasks):
    """Apply `fn` to each task of a meta-batch and stack the results.

    The only place that decides how tasks are run. In a graph, dense networks
    are vectorized over tasks and convolutional or recurrent ones run one task
    after another; the operations that `fn` uses decide. Eagerly, it is a
    Python loop.

    Args:
        fn: Function of one task that returns a nest of tensors.
        tasks: Nest of tensors with a leading task axis `T`.

    Returns:
        The nest that `fn` returns, with a leading axis `T`.
    """
    first = tf.nest.flatten(tasks)[0]
    if tf.executing_eagerly():
        return stack_tasks([fn(task_at(tasks, i)) for i in range(len(first))])
    if first.shape[0] == 1:
        return stack_tasks([fn(task_at(tasks, 0))])
    specs = tf.nest.map_structure(
        lambda t: tf.TensorSpec(t.shape[1:], t.dtype), tasks
    )
    one_task = tf.function(fn, autograph=False).get_concrete_function(specs)
    # What was traced tells how to run `fn`, which is then traced anew: calling
    # the traced function hides static shapes from XLA and, vectorized, loses
    # silently the gradients of the variables that it reads.
    if _has_sequential_ops(one_task.graph):
        signature = tf.nest.map_structure(
            lambda t: tf.TensorSpec(t.shape, t.dtype),
            one_task.structured_outputs,
        )
        return tf.map_fn(fn, tasks, fn_output_signature=signature)
    return tf.vectorized_map(fn, tasks)


def is_sequential(fn, x):
    """Return whether `fn` has operations that run better task by task.

    Args:
        fn: Function of one task's examples.
        x: Nest of tensors, those of one task.
    """
    specs = tf.nest.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), x)
    traced = tf.function(fn, autograph=False).get_concrete_function(specs)
    return _has_sequential_ops(traced.graph)


def _has_sequential_ops(graph):
    return any(op.type in _SEQUENTIAL_OPS for op in graph.get_operations())


def task_at(tasks, i):
    """Return task number `i` of a nest with a leading task axis."""
    return tf.nest.map_structure(lambda t: t[i], tasks)


def stack_tasks(results):
    """Stack equal nests, one a task, along a new leading task axis."""
    return tf.nest.map_structure(lambda *leaves: tf.stack(leaves), *results)
