"""Gradients transformed by learned matrices."""

import math

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.inner_optimizer import InnerOptimizer


@keras.saving.register_keras_serializable(package="kerasmeta")
class Curvature(InnerOptimizer):
    """Gradient descent with gradients that learned matrices transform.

    Use it to let the gradient of one weight move the others of its tensor. The
    gradient `G` of a kernel has an axis of output channels, one of input
    channels and, for convolutions, one of all positions in the filter. Each
    axis `n` has a square matrix, and with the mode product
    `(G x_n M)[.., j, ..] = sum_i M[j, i] * G[.., i, ..]`

    `w <- w - learning_rate * (G x_3 M_f x_2 M_i x_1 M_o)`

    `M_o` and `M_i` mix the output and the input channels, and `M_f` the
    positions. For the kernel of a dense layer, `[inputs, outputs]`, it is
    `M_i @ G @ transpose(M_o)`; a bias or any other vector has `M_o` alone. All
    begin as identities, so that it begins as gradient descent. Each axis costs
    the square of its length, which is much for a dense layer after `Flatten`
    and too much for an embedding.

    Reference: Park and Oliva, 2019, "Meta-Curvature", arXiv:1902.03356,
    section 3.

    Args:
        learning_rate: Positive number, or schedule over inner steps.
        **kwargs: `clipnorm`, `clipvalue` or `global_clipnorm`, as for
            `keras.optimizers`, and `name`. Gradients are clipped before they
            are transformed.

    Raises:
        ValueError: If the rate is not a positive finite number.

    Example:

    >>> optimizer = km.inner_optimizers.Curvature(0.1)
    >>> network = keras.Sequential(
    ...     [keras.Input((28, 28, 1)), keras.layers.Conv2D(8, 3),
    ...      keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5)]
    ... )
    >>> learner = km.learners.MAML(network, inner_optimizer=optimizer)
    >>> [[len(m.numpy()) for m in matrices] for matrices in optimizer.matrices]
    [[9, 1, 8], [8], [8, 5], [5]]
    """

    def build_for(self, weights, steps=1):
        super().build_for(weights, steps)
        self.matrices = [
            [
                self.add_weight(
                    shape=(size, size),
                    initializer="identity",
                    dtype=w.dtype.name,
                    name=f"matrix_{i}_{axis}",
                )
                for axis, size in enumerate(_axes(w.shape))
            ]
            for i, w in enumerate(weights)
        ]

    def step(self, weights, gradients, state, step, loss=None):
        rate = self.rate_at(step)
        moved = [
            w - tf.cast(rate, w.dtype) * _transform(g, matrices)
            for w, g, matrices in zip(weights, gradients, self.matrices)
        ]
        return moved, state


def _axes(shape):
    """Return `[positions, inputs, outputs]`, without what a tensor lacks."""
    if len(shape) > 2:
        return [math.prod(shape[:-2]), *shape[-2:]]
    return list(shape) or [1]


def _transform(gradient, matrices):
    transformed = tf.reshape(gradient, _axes(gradient.shape))
    for matrix in matrices:
        # The first axis is multiplied and becomes the last one, so that after
        # all of them the order is the old one.
        transformed = tf.tensordot(transformed, matrix.value, [[0], [1]])
    return tf.reshape(transformed, gradient.shape)
