"""The number of classes of a meta-batch, counted once for all of its tasks.

Tasks run one by one, and each could only count its own labels; but their
predictions are stacked, so that all must have the same width. Within
`counted_ways(support_y)` the number is that of the outermost scope. The scope
is thread-local and read when a task is traced.

XLA must know the number when it compiles: it would compile anew for all other
labels, and cannot where they are padded.
"""

import tensorflow as tf

from kerasmeta.utils.thread_scope import ThreadScope

_ways = ThreadScope()


def counted_ways(support_y):
    """Give the number of classes in these labels, or that of the scope around.

    Args:
        support_y: Integer labels `0..ways-1`, of any shape.
    """
    ways = _ways.value
    if ways is None:
        ways = tf.cast(tf.reduce_max(support_y), "int32") + 1
    return _ways.holding(ways)


def check_ways_for_jit(learner, jit_compile):
    """Raise a `ValueError` if XLA is to compile what counts its classes.

    Args:
        learner: Learner. One that counts them has `ways`, which is `None`, and
            no `supports_jit`.
        jit_compile: What `compile` was called with. For `"auto"` Keras itself
            looks at `supports_jit`.
    """
    has_none = hasattr(learner, "ways") and learner.ways is None
    counts = has_none and not learner.supports_jit
    if jit_compile is True and counts:
        raise ValueError(
            "XLA compiles for a fixed number of classes: give `ways`, that of "
            "the largest episode, when you make the learner, or leave out "
            f"`jit_compile`. Received: ways=None, jit_compile=True, {learner!r}"
        )
