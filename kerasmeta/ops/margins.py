"""How far the best of several logits is ahead."""

import tensorflow as tf


def margins(logits):
    """Return `log(p / (1 - p))`, where `p` is the largest probability.

    It orders as `p` does, and keeps its digits where `p` rounds to 1.

    Args:
        logits: `[..., N]`.

    Returns:
        `[...]`: the largest logit less the logarithm of the sum of the
        exponentials of the others.

    Example:

    >>> from kerasmeta.ops.margins import margins
    >>> margins(tf.constant([[2.0, 52.0], [2.0, 102.0]])).numpy()
    array([ 50., 100.], dtype=float32)
    """
    logits = tf.convert_to_tensor(logits)
    best = tf.argmax(logits, axis=-1)
    is_best = tf.one_hot(best, tf.shape(logits)[-1], True, False)
    # No infinity: without others, differences of margins must not be NaN.
    others = tf.where(is_best, logits.dtype.min, logits)
    others = tf.reduce_logsumexp(others, axis=-1)
    return tf.reduce_max(logits, axis=-1) - others
