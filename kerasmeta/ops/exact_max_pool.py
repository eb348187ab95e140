"""Max pooling whose gradients are exact at all orders, under XLA too."""

import tensorflow as tf


def exact_max_pool(x, ksize, strides, padding):
    """Pool by comparisons and choices of shifted images.

    The values and gradients of `tf.nn.max_pool`; of equal numbers the first
    one counts. The second derivative of that operation is not exact where XLA
    compiles it: it compares numbers of 16 bits, and takes another pixel of the
    window where two are close. It is slower where XLA does not compile it.

    Args:
        x: `[n, ..., channels]` with 1 to 3 axes of space.
        ksize: Integer, or one for each axis of space, or for each axis.
        strides: The same.
        padding: `"VALID"` or `"SAME"`.

    Example:

    >>> from kerasmeta.ops.exact_max_pool import exact_max_pool
    >>> x = tf.constant([[[1.0], [5.0], [2.0], [3.0]]])
    >>> exact_max_pool(x, 2, 2, "VALID").numpy().ravel()
    array([5., 3.], dtype=float32)
    """
    axes = x.shape.rank - 2
    sizes, strides = _per_axis(ksize, axes), _per_axis(strides, axes)
    # The last axis first: of equal numbers that of the first row counts.
    for axis in range(axes, 0, -1):
        size, stride = sizes[axis - 1], strides[axis - 1]
        if padding == "SAME":
            x = _pad(x, axis, size, stride)
        x = _pool_axis(x, axis, size, stride)
    return x


def _per_axis(value, axes):
    values = [value] if isinstance(value, int) else list(value)
    if len(values) == axes + 2:  # With batch and channels, as TensorFlow may.
        return values[1:-1]
    return values * axes if len(values) == 1 else values


def _pad(x, axis, size, stride):
    length = x.shape[axis] or tf.shape(x)[axis]
    total = (-(-length // stride) - 1) * stride + size - length
    total = max(total, 0) if isinstance(total, int) else tf.maximum(total, 0)
    paddings = [[0, 0] for _ in x.shape]
    paddings[axis] = [total // 2, total - total // 2]
    return tf.pad(x, paddings, constant_values=x.dtype.min)


def _pool_axis(x, axis, size, stride):
    length = x.shape[axis] or tf.shape(x)[axis]
    count = (length - size) // stride + 1
    best = None
    for shift in range(size):
        window = [slice(None)] * x.shape.rank
        window[axis] = slice(shift, shift + (count - 1) * stride + 1, stride)
        one = x[tuple(window)]
        best = one if best is None else tf.where(one > best, one, best)
    return best
