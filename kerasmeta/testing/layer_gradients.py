"""Which layer breaks a second-order gradient?"""

import numpy as np
import tensorflow as tf

from kerasmeta.ops import batch_statistics
from kerasmeta.ops import exact_gradients

_STEP = 1e-6
_TOLERANCE = 1e-4


def inexact_layers(learner, episodes):
    """Return the names of layers whose own gradients are wrong.

    Each layer is run alone, on the inputs that it gets in an inner loop, and
    its first- and second-order gradients are compared with finite differences.

    Args:
        learner: `MetaLearner` in float64; its layers are not usable afterwards.
        episodes: Dictionary of one meta-batch.
    """
    calls = {}
    for layer in learner._flatten_layers(include_self=False):
        if not layer._layers:
            _record(layer, calls)
    task = tf.nest.map_structure(lambda t: t[0], episodes)
    learner.adapt(task["support_x"], task["support_y"])
    return [
        layer.name
        for layer, call, args, kwargs in calls.values()
        if not _is_exact(layer, call, args, kwargs)
    ]


def _record(layer, calls):
    """Remember how `layer` is called for the first time."""
    original = layer.call

    def call(*args, **kwargs):
        calls.setdefault(id(layer), (layer, original, args, kwargs))
        return original(*args, **kwargs)

    layer.call = call


def _is_exact(layer, call, args, kwargs):
    """Compare slope and curvature along a direction with differences."""
    tensors = tf.nest.flatten([args, kwargs])
    floats = [t for t in tensors if tf.is_tensor(t) and t.dtype.is_floating]
    if not floats:
        return True
    variables = [v.value for v in layer.trainable_variables]
    state = [tf.identity(v) for v in layer.non_trainable_variables]
    generator = np.random.default_rng(0)
    # Moved a little, off the ties where pooling has no derivative.
    points = [
        point + 1e-3 * generator.normal(size=point.shape)
        for point in [*floats, *variables]
    ]
    direction = [generator.normal(size=p.shape) for p in points]

    def derivatives(step):
        for variable, value in zip(layer.non_trainable_variables, state):
            variable.assign(value)
        moved = [p + step * d for p, d in zip(points, direction)]
        for variable, value in zip(variables, moved[len(floats) :]):
            variable.assign(value)
        inputs = moved[: len(floats)]
        arguments = _replace(floats, inputs, (args, kwargs))
        return _derivatives(call, arguments, inputs, variables, direction)

    ahead, here, behind = map(derivatives, (_STEP, 0.0, -_STEP))
    return all(
        _close((ahead[i] - behind[i]) / (2 * _STEP), here[i + 1])
        for i in range(2)
    )


def _replace(old, new, nest):
    """Return the nest with the `old` tensors replaced by the `new` ones."""
    replaced = {id(tensor): value for tensor, value in zip(old, new)}
    return tf.nest.map_structure(lambda t: replaced.get(id(t), t), nest)


def _derivatives(call, arguments, inputs, variables, direction):
    """Return a value of a layer, its slope and curvature along a direction."""
    args, kwargs = arguments
    sources = [*inputs, *variables]

    def along_direction(gradients):
        return sum(tf.reduce_sum(g * d) for g, d in zip(gradients, direction))

    with tf.GradientTape() as outer:
        outer.watch(inputs)
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            with exact_gradients(), batch_statistics(True):
                outputs = call(*args, **kwargs)
            value = sum(
                tf.reduce_sum(tf.sin(o + 1.0)) for o in tf.nest.flatten(outputs)
            )
        first = inner.gradient(value, sources, unconnected_gradients="zero")
        slope = along_direction(first)
    second = outer.gradient(slope, sources, unconnected_gradients="zero")
    return float(value), float(slope), float(along_direction(second))


def _close(a, b):
    return abs(a - b) <= _TOLERANCE * max(abs(a), abs(b), 1e-3)
