"""Operations that LiteRT lacks, computed by those that it has.

LiteRT has no kernels for some gradients that an inner loop takes, nor for
BatchNormalization by the statistics of a batch, nor for linear systems. Here
the same values come from sums, products and slices. A function takes an
operation, for its attributes and static shapes, and the tensors to put in place
of its inputs; it returns all outputs.
"""

import tensorflow as tf


def relu_grad(op, gradient, features):
    """`ReluGrad`."""
    return [tf.where(features > 0, gradient, tf.zeros_like(gradient))]


def leaky_relu_grad(op, gradient, features):
    """`LeakyReluGrad`."""
    leaked = op.get_attr("alpha") * gradient
    return [tf.where(features > 0, gradient, leaked)]


def relu6_grad(op, gradient, features):
    """`Relu6Grad`."""
    is_inside = (features > 0) & (features < 6)
    return [tf.where(is_inside, gradient, tf.zeros_like(gradient))]


def elu_grad(op, gradient, outputs):
    """`EluGrad`."""
    return [tf.where(outputs < 0, gradient * (outputs + 1), gradient)]


def softsign_grad(op, gradient, features):
    """`SoftsignGrad`."""
    return [gradient / tf.square(1 + tf.abs(features))]


def batch_norm(op, x, scale, offset, mean, variance):
    """`FusedBatchNormV3`; its reserved outputs are those of `_gradient`."""
    count = x.shape.num_elements() // x.shape[-1]
    batch_mean, batch_variance = mean, variance
    if op.get_attr("is_training"):
        mean = tf.reduce_mean(x, [0, 1, 2])
        variance = tf.reduce_mean(tf.square(x - mean), [0, 1, 2])
        batch_mean, batch_variance = mean, variance * count / max(count - 1, 1)
    y = (x - mean) * (scale * _inverse_deviation(op, variance)) + offset
    return [y, batch_mean, batch_variance, mean, variance, tf.zeros([0])]


def batch_norm_grad(op, gradient, x, scale, mean, variance, _):
    """`FusedBatchNormGradV3`."""
    inverse = _inverse_deviation(op, variance)
    normal = (x - mean) * inverse
    by_scale = tf.reduce_sum(gradient * normal, [0, 1, 2])
    by_offset = tf.reduce_sum(gradient, [0, 1, 2])
    count = x.shape.num_elements() // x.shape[-1]
    if op.get_attr("is_training"):
        gradient -= (by_offset + normal * by_scale) / count
    empty = tf.zeros([0])
    return [gradient * (scale * inverse), by_scale, by_offset, empty, empty]


def max_pool_grad(op, x, y, gradient):
    """`MaxPoolGrad`: to the first maximum of each window."""
    window = _Window(op, x.shape, y.shape, op.get_attr("ksize")[1:3])
    # Padding is never the maximum: zeros would be, of negative numbers.
    padded = window.pad(x, value=x.dtype.min)
    is_free, shares = tf.ones_like(y, "bool"), []
    for offset in window.offsets():
        is_here = is_free & tf.equal(window.slice(padded, offset), y)
        is_free = is_free & ~is_here
        shares.append(tf.where(is_here, gradient, tf.zeros_like(gradient)))
    return [window.unpad(window.spread_all(shares))]


def average_pool_grad(op, _, gradient):
    """`AvgPoolGrad`: the same to all of each window, but for its padding."""
    shape = op.outputs[0].shape
    window = _Window(op, shape, gradient.shape, op.get_attr("ksize")[1:3])
    ones = window.pad(tf.ones([1, *shape[1:3], 1]), value=0)
    offsets = window.offsets()
    counts = tf.add_n([window.slice(ones, offset) for offset in offsets])
    share = gradient / counts
    return [window.unpad(window.spread_all([share] * len(offsets)))]


def conv_filter_grad(op, x, _, gradient):
    """`Conv2DBackpropFilter`."""
    shape = op.outputs[0].shape
    window = _Window(op, x.shape, gradient.shape, shape[:2])
    padded = window.pad(x, value=0)
    patches = [window.slice(padded, offset) for offset in window.offsets()]
    rows = tf.concat(patches, axis=-1)  # (N, H, W, kernel * C)
    rows = tf.reshape(rows, [-1, rows.shape[-1]])
    gradient = tf.reshape(gradient, [-1, gradient.shape[-1]])
    return [tf.reshape(tf.matmul(rows, gradient, transpose_a=True), shape)]


def depthwise_filter_grad(op, x, _, gradient):
    """`DepthwiseConv2dNativeBackpropFilter`."""
    shape = op.outputs[0].shape
    window = _Window(op, x.shape, gradient.shape, shape[:2])
    padded = window.pad(x, value=0)
    # (C,) of each element of the window and each filter of a channel.
    sums = [
        tf.reduce_sum(window.slice(padded, offset) * part, [0, 1, 2])
        for offset in window.offsets()
        for part in _filters(gradient, shape[3])
    ]
    sums = tf.reshape(tf.stack(sums), [-1, shape[3], shape[2]])
    return [tf.reshape(tf.transpose(sums, [0, 2, 1]), shape)]


def depthwise_input_grad(op, _, filters, gradient):
    """`DepthwiseConv2dNativeBackpropInput`."""
    height, width, _, count = filters.shape
    shape = op.outputs[0].shape
    window = _Window(op, shape, gradient.shape, [height, width])
    parts = _filters(gradient, count)
    values = [
        tf.add_n([part * filters[i, j, :, m] for m, part in enumerate(parts)])
        for i in range(height)
        for j in range(width)
    ]
    return [window.unpad(window.spread_all(values))]


def _filters(gradient, count):
    """Return the gradients of the first, second ... filter of each channel."""
    return [gradient[..., m::count] for m in range(count)]


def matrix_solve(op, matrix, right):
    """`MatrixSolve`: elimination with row pivots; the graph holds each."""
    size, shape = matrix.shape[-1], right.shape
    if op.get_attr("adjoint"):
        matrix = tf.linalg.matrix_transpose(matrix)
    rows = tf.concat([matrix, right], axis=-1)
    rows = tf.reshape(rows, [-1, size, size + shape[-1]])
    is_free, pivots = tf.ones_like(rows[..., 0], "bool"), []
    for i in range(size):
        column = rows[..., i]
        sizes = tf.where(is_free, tf.abs(column), -tf.ones_like(column))
        # Rows stay where they are: pivots tell in the end which is which.
        pivot = tf.one_hot(tf.argmax(sizes, -1), size, dtype=rows.dtype)
        row = tf.matmul(pivot[:, None], rows)
        row /= row[..., i : i + 1]
        is_pivot = pivot > 0.5
        rows = tf.where(
            is_pivot[..., None], row, rows - column[..., None] * row
        )
        is_free &= ~is_pivot
        pivots.append(pivot)
    solution = tf.matmul(tf.stack(pivots, axis=1), rows[..., size:])
    return [tf.reshape(solution, shape)]


def _inverse_deviation(op, variance):
    return tf.math.rsqrt(variance + op.get_attr("epsilon"))


class _Window:
    """A window that moves over an image: where its elements lie."""

    def __init__(self, op, input_shape, output_shape, kernel):
        self.kernel = list(kernel)
        self.strides = op.get_attr("strides")[1:3]
        self.dilations = [1, 1]
        if "dilations" in op.node_def.attr:
            self.dilations = op.get_attr("dilations")[1:3]
        self.sizes = list(input_shape[1:3])
        self.outputs = list(output_shape[1:3])
        self.padding = self._padding(op)

    def _padding(self, op):
        if op.get_attr("padding") == b"EXPLICIT":
            numbers = op.get_attr("explicit_paddings")
            return [list(numbers[2:4]), list(numbers[4:6])]
        # What the last window needs; `VALID` has windows inside only.
        needed = [
            max((n - 1) * s + (k - 1) * d + 1 - size, 0)
            for n, s, k, d, size in zip(
                self.outputs,
                self.strides,
                self.kernel,
                self.dilations,
                self.sizes,
            )
        ]
        return [[n // 2, n - n // 2] for n in needed]

    def offsets(self):
        """Return where the elements of the first window are, row by row."""
        rows, columns = (
            [i * d for i in range(k)]
            for k, d in zip(self.kernel, self.dilations)
        )
        return [(row, column) for row in rows for column in columns]

    def pad(self, x, value):
        padding = [[0, 0], *self.padding, [0, 0]]
        return tf.pad(x, padding, constant_values=value)

    def unpad(self, padded):
        (top, _), (left, _) = self.padding
        height, width = self.sizes
        return padded[:, top : top + height, left : left + width]

    def slice(self, padded, offset):
        """Return the element at an offset of each window."""
        rows, columns = (
            slice(o, o + (n - 1) * s + 1, s)
            for o, n, s in zip(offset, self.outputs, self.strides)
        )
        return padded[:, rows, columns]

    def spread_all(self, values):
        """Return a padded image with the sum of what each offset gets."""
        count, _, _, channels = values[0].shape
        sizes = [n + sum(p) for n, p in zip(self.sizes, self.padding)]
        shape = [count, *sizes, channels]
        return tf.add_n(
            [self.spread(v, o, shape) for v, o in zip(values, self.offsets())]
        )

    def spread(self, values, offset, shape):
        """Return an image with the values where `slice` would find them."""
        count, height, width, channels = values.shape
        row_stride, column_stride = self.strides
        # Four axes at most: more, LiteRT cannot pad.
        values = tf.reshape(values, [count * height, width, 1, channels])
        values = tf.pad(
            values, [[0, 0], [0, 0], [0, column_stride - 1], [0, 0]]
        )
        values = tf.reshape(values, [count, height, 1, -1])
        values = tf.pad(values, [[0, 0], [0, 0], [0, row_stride - 1], [0, 0]])
        height, width = height * row_stride, width * column_stride
        values = tf.reshape(values, [count, height, width, channels])
        top, left = offset
        values = values[:, : shape[1] - top, : shape[2] - left]
        bottom = shape[1] - top - values.shape[1]
        right = shape[2] - left - values.shape[2]
        return tf.pad(values, [[0, 0], [top, bottom], [left, right], [0, 0]])


REPLACEMENTS = {
    "ReluGrad": relu_grad,
    "LeakyReluGrad": leaky_relu_grad,
    "Relu6Grad": relu6_grad,
    "EluGrad": elu_grad,
    "SoftsignGrad": softsign_grad,
    "FusedBatchNormV3": batch_norm,
    "FusedBatchNormGradV3": batch_norm_grad,
    "MaxPoolGrad": max_pool_grad,
    "AvgPoolGrad": average_pool_grad,
    "Conv2DBackpropFilter": conv_filter_grad,
    "DepthwiseConv2dNativeBackpropFilter": depthwise_filter_grad,
    "DepthwiseConv2dNativeBackpropInput": depthwise_input_grad,
    "MatrixSolve": matrix_solve,
}
