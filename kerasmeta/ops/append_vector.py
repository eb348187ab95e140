"""A vector of each task beside each of its examples."""

import tensorflow as tf


def append_vector(examples, vector):
    """Append the vector of a task to each example of the task.

    Args:
        examples: `[T, Q, D]`.
        vector: `[T, L]`.

    Returns:
        `[T, Q, D + L]`.
    """
    shape = tf.concat([tf.shape(examples)[:2], tf.shape(vector)[1:]], axis=0)
    repeated = tf.broadcast_to(vector[:, None], shape)
    return tf.concat([examples, repeated], axis=-1)
