"""Which layer breaks a second-order gradient?"""

import numpy as np
import tensorflow as tf

from kerasmeta.ops import batch_statistics
from kerasmeta.ops import exact_moments

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
    tensors = tf.nest.flatten([args, kwargs])
    floats = [t for t in tensors if tf.is_tensor(t) and t.dtype.is_floating]
    variables = [v.value for v in layer.trainable_variables]
    if not floats:
        return True
    generator = np.random.default_rng(0)
    state = [tf.identity(v) for v in layer.non_trainable_variables]

    def gradient(points, direction):
        """The slope along `direction` as a function of the inputs, twice."""
        for variable, value in zip(layer.non_trainable_variables, state):
            variable.assign(value)
        inputs = points[: len(floats)]
        for variable, value in zip(variables, points[len(floats) :]):
            variable.assign(value)
        replaced = iter(inputs)
        is_float = {id(t) for t in floats}
        new_args, new_kwargs = tf.nest.map_structure(
            lambda t: next(replaced) if id(t) in is_float else t,
            (args, kwargs),
        )
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                with exact_moments(), batch_statistics(True):
                    outputs = call(*new_args, **new_kwargs)
                value = sum(
                    tf.reduce_sum(tf.sin(o + 1.0))
                    for o in tf.nest.flatten(outputs)
                )
            first = inner.gradient(
                value, [*inputs, *variables], unconnected_gradients="zero"
            )
            slope = sum(tf.reduce_sum(g * d) for g, d in zip(first, direction))
        second = outer.gradient(
            slope, [*inputs, *variables], unconnected_gradients="zero"
        )
        curve = sum(tf.reduce_sum(g * d) for g, d in zip(second, direction))
        return float(value), float(slope), float(curve)

    # Moved a little, off the ties where pooling has no derivative.
    points = [
        point + 1e-3 * generator.normal(size=point.shape)
        for point in [*floats, *variables]
    ]
    direction = [generator.normal(size=p.shape) for p in points]
    ahead, here, behind = [
        gradient([p + step * d for p, d in zip(points, direction)], direction)
        for step in (_STEP, 0.0, -_STEP)
    ]
    return all(
        _close((ahead[i] - behind[i]) / (2 * _STEP), here[i + 1])
        for i in range(2)
    )


def _close(a, b):
    return abs(a - b) <= _TOLERANCE * max(abs(a), abs(b), 1e-3)
