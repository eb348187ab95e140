"""The number of classes of a meta-batch, counted once for all of its tasks.

Tasks run one by one, and each could only count its own labels; but their
predictions are stacked, so that all must have the same width. Within
`counted_ways(support_y)` the number is that of the outermost scope. The scope
is thread-local and read when a task is traced.
"""

import contextlib
import threading

import tensorflow as tf

_scope = threading.local()


@contextlib.contextmanager
def counted_ways(support_y):
    """Give the number of classes in these labels, or that of the scope around.

    Args:
        support_y: Integer labels `0..ways-1`, of any shape.
    """
    before = getattr(_scope, "ways", None)
    if before is None:
        _scope.ways = tf.cast(tf.reduce_max(support_y), "int32") + 1
    try:
        yield _scope.ways
    finally:
        _scope.ways = before
