"""BatchNormalization of images in one pass over memory."""

import tensorflow as tf


def fused_batch_norm(x, gamma, beta, epsilon):
    """Normalize images by the statistics of their batch, in one fused pass.

    `y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`, with the mean
    and the biased variance over all axes but the last. Gradients of `y` are
    exact at first and second order; none flow out of the mean and variance
    that are returned. On a CPU it is several times faster than the same in
    single operations, each of which goes through memory once.

    Args:
        x: `[n, height, width, channels]`, float32.
        gamma: `[channels]`, or `None` for ones.
        beta: `[channels]`, or `None` for zeros.
        epsilon: Positive number, added to the variance.

    Returns:
        `(y, mean, variance)`, the last two `[channels]`.

    Example:

    >>> x = tf.reshape(tf.range(4.0), [1, 2, 2, 1])
    >>> y, mean, variance = km.ops.fused_batch_norm(x, None, None, 1e-3)
    >>> float(mean[0]), float(variance[0])
    (1.5, 1.25)
    """
    channels = [x.shape[-1]]
    gamma = tf.ones(channels) if gamma is None else gamma
    beta = tf.zeros(channels) if beta is None else beta
    y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        # The gradient of a loop is wrong where the loop's own variable is the
        # scale of this operation; a reshaped one is another tensor.
        scale=tf.reshape(gamma, channels),
        offset=tf.reshape(beta, channels),
        mean=[],
        variance=[],
        epsilon=epsilon,
        is_training=True,
    )
    # The operation returns the unbiased variance.
    count = tf.cast(tf.reduce_prod(tf.shape(x)[:3]), x.dtype)
    return y, mean, variance * (count - 1) / count
