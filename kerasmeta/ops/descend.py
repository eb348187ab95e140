"""Gradient descent whose gradient is known in closed form."""

import tensorflow as tf

from kerasmeta.ops.repeat import repeat


def descend(
    gradients, weights, steps, learning_rate, momentum=0.0, weight_decay=0.0
):
    """Return weights after gradient descent with momentum, in a loop.

    For heads whose gradient is a formula: no tape is in the loop, so that a
    tape around it costs no more than it must. With `g` the gradient,

    `v <- momentum * v + g(w) + weight_decay * w`, `w <- w - learning_rate * v`

    Args:
        gradients: Function from a tuple of weights to a tuple of gradients.
        weights: Tuple of tensors to begin with.
        steps: Number of steps.
        learning_rate: Rate of a step.
        momentum: Share of the last step that is taken again.
        weight_decay: Weight of the squared norm of the weights, halved.

    Example:

    Downhill on `(w - 3)^2 / 2`:

    >>> [w] = km.ops.descend(lambda w: (w[0] - 3.0,), (tf.zeros([]),), 20, 0.5)
    >>> round(float(w), 4)
    3.0
    """

    def step(state):
        weights, velocities = state
        velocities = tuple(
            momentum * v + g + weight_decay * w
            for v, g, w in zip(velocities, gradients(weights), weights)
        )
        weights = tuple(
            w - learning_rate * v for w, v in zip(weights, velocities)
        )
        return weights, velocities

    weights = tuple(weights)
    weights, _ = repeat(
        step, steps, (weights, tuple(tf.zeros_like(w) for w in weights))
    )
    return weights
