"""Classes that a task does not have."""

import tensorflow as tf

from kerasmeta.ops.class_members import class_members


def rule_out(logits, is_class):
    """Return logits in which absent classes have no chance.

    They get less than the least of the others, and than zero, by a margin that
    makes their probability zero, of a softmax and of a sigmoid, and stays
    finite in every loss.

    Args:
        logits: `[..., N]`.
        is_class: Bool, broadcasts to `logits`; true for the classes of the
            task.

    Example:

    >>> from kerasmeta.ops.absent_classes import rule_out
    >>> logits = tf.constant([[1.0, 9.0, 3.0]])
    >>> rule_out(logits, [True, False, True]).numpy()
    array([[   1., -100.,    3.]], dtype=float32)
    """
    worst = tf.where(is_class, logits, logits.dtype.max)
    worst = tf.reduce_min(worst, axis=-1, keepdims=True)
    worst = tf.minimum(tf.stop_gradient(worst), 0.0)
    return tf.where(is_class, logits, worst - 100.0)


def present_classes(labels, ways, mask=None):
    """Return which classes have any example, bool `[..., N]`.

    Args:
        labels: Integer labels, `[..., S]`.
        ways: Number of classes, `N`.
        mask: Optional `[..., S]`, true for the examples that count.
    """
    return tf.reduce_any(class_members(labels, ways, mask), axis=-2)
