"""Running the steps of an inner loop: unrolled, in a loop, or recomputed."""

import tensorflow as tf


def run_steps(step_fn, state, steps, unroll=True, collect=None):
    """Apply `step_fn(state, step)` repeatedly.

    Args:
        step_fn: Function of `(state, step)` that returns the next state.
        state: Nest of tensors.
        steps: Number of steps.
        unroll: Whether the graph holds each step. Otherwise it holds the first
            one and a loop, so that its size does not grow with `steps`.
        collect: Optional function of `(state, step)`, called after each step,
            that returns a nest of tensors.

    Returns:
        `(state, collected)`: the last state, and the collected tensors, stacked
        along a new first axis, or `None`; without any step there is nothing.
    """
    if not steps:
        return state, None
    state = step_fn(state, 0)
    collected = None if collect is None else [collect(state, 0)]
    if unroll or steps == 1 or tf.executing_eagerly():
        for step in range(1, steps):
            state = step_fn(state, step)
            if collect is not None:
                collected.append(collect(state, step))
        return state, None if collect is None else _stack(collected)
    return _run_in_loop(step_fn, state, steps, collect, collected)


def _run_in_loop(step_fn, state, steps, collect, collected):
    first = [] if collect is None else collected[0]
    arrays = tf.nest.map_structure(
        lambda t: tf.TensorArray(
            t.dtype, size=steps, element_shape=t.shape
        ).write(0, t),
        first,
    )

    def body(step, state, arrays):
        state = step_fn(state, step)
        if collect is not None:
            arrays = tf.nest.map_structure(
                lambda array, t: array.write(step, t),
                arrays,
                collect(state, step),
            )
        return step + 1, state, arrays

    _, state, arrays = tf.while_loop(
        lambda step, *_: step < steps,
        body,
        (tf.constant(1), state, arrays),
        maximum_iterations=steps - 1,
        parallel_iterations=1,
    )
    if collect is None:
        return state, None
    return state, tf.nest.map_structure(lambda array: array.stack(), arrays)


def _stack(nests):
    return tf.nest.map_structure(lambda *leaves: tf.stack(leaves), *nests)


def rematerialized(step_fn, held):
    """Return a step that keeps only its inputs for the outer gradient.

    What happens within the step is computed again when the outer gradient
    arrives: the same gradient, for one more run of each step, and memory that
    hardly grows with their number. `tf.recompute_grad` does not take functions
    with a `GradientTape` inside.

    Args:
        step_fn: Function of `(state, step, data)` that returns the next state.
        held: `HeldVariables`, all variables that the step reads.

    Returns:
        A function of the same arguments.
    """

    def step_again(state, step, data):
        inputs = (state, data, held.values)
        structure = []

        def run(*tensors):
            state, data, values = tf.nest.pack_sequence_as(inputs, tensors)
            with held.scope(values):
                after = step_fn(state, step, data)
            structure[:] = [after]
            return [tf.identity(t) for t in tf.nest.flatten(after)]

        @tf.custom_gradient
        def step_once(*tensors):
            return run(*tensors), lambda *upstream: _recompute(
                run, tensors, upstream
            )

        outputs = step_once(*tf.nest.flatten(inputs))
        return tf.nest.pack_sequence_as(structure[0], outputs)

    return step_again


def _recompute(run, tensors, upstream):
    # After the upstream gradient, or the graph would share the first run.
    arrived = [t for t in upstream if t is not None]
    with tf.control_dependencies(arrived), tf.GradientTape() as tape:
        tensors = [tf.identity(t) for t in tensors]
        sources = [t for t in tensors if t.dtype.is_floating]
        tape.watch(sources)
        outputs = run(*tensors)
    pairs = [
        (output, gradient)
        for output, gradient in zip(outputs, upstream)
        if output.dtype.is_floating and gradient is not None
    ]
    targets, given = zip(*pairs)
    gradients = iter(tape.gradient(targets, sources, list(given), "zero"))
    return [next(gradients) if t.dtype.is_floating else None for t in tensors]
