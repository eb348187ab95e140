"""A step that is taken again and again, in the graph."""

import tensorflow as tf


def repeat(step, times, state):
    """Return `step(step(... step(state)))`, of `times` steps.

    It is a loop in a graph, of the same size for any number of steps, which
    can be differentiated.

    Args:
        step: Function from a state to the next, of the same structure, shapes
            and dtypes.
        times: Number of steps, an integer.
        state: Nest of tensors.

    Example:

    >>> km.ops.repeat(lambda x: 2 * x, 3, tf.constant(5.0)).numpy()
    np.float32(40.0)
    """

    def body(i, state):
        following = step(state)
        # What a step knows less of its shapes, the loop would not take.
        tf.nest.map_structure(
            lambda new, old: new.set_shape(old.shape), following, state
        )
        return i + 1, following

    _, state = tf.while_loop(
        lambda i, _: i < times,
        body,
        (tf.constant(0), state),
        maximum_iterations=times,
    )
    return state
