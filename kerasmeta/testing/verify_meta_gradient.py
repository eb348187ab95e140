"""Is the meta-gradient the gradient of the meta-loss?"""

import numpy as np
import tensorflow as tf

from kerasmeta.testing.float64 import copy_in_double_precision
from kerasmeta.testing.float64 import double_precision
from kerasmeta.testing.layer_gradients import inexact_layers

# Central differences in float64: the truncation error grows with the square
# of the step and the rounding error shrinks with it; they meet about here.
_STEP = 1e-6


def verify_meta_gradient(
    learner, episodes, query_y, directions=3, tolerance=1e-4, seed=0
):
    """Compare the compiled meta-gradient with finite differences.

    Use it on networks with layers of your own, or when you have written a
    learner: a right loss proves nothing about its second-order gradient. A
    float64 copy of the learner is made; along random directions `v`

    `(loss(w + h v) - loss(w - h v)) / 2h` must equal `gradient . v`.

    Args:
        learner: Compiled `MetaLearner`. It is left as it is.
        episodes: Dictionary of one meta-batch; make it small.
        query_y: Its query targets, `[T, Q, ...]`.
        directions: Number of random directions.
        tolerance: Largest relative error allowed.
        seed: Seed of the directions.

    Returns:
        The largest relative error, a float.

    Raises:
        AssertionError: If the gradient is wrong. The message names the layers
            whose own first- or second-order gradient is.
        ValueError: If the learner is not compiled, is first-order on purpose,
            or cannot be copied.

    Example:

    >>> learner = km.learners.MAML(km.backbones.mlp((1,), 1, units=(8,)))
    >>> learner.compile(loss="mse")
    >>> data = km.tasks.Sinusoid(shots=5).episodes(batch_size=2)
    >>> episodes, query_y = next(iter(data))
    >>> error = km.testing.verify_meta_gradient(learner, episodes, query_y)
    >>> error < 1e-4
    True
    """
    if getattr(learner, "first_order", False):
        raise ValueError(
            "A first-order meta-gradient is an approximation, which finite "
            "differences would refute. Verify it with `first_order=False`. "
            "Received: a learner with first_order=True"
        )
    if getattr(learner, "second_order_after", 0):
        raise ValueError(
            "The first outer steps are of first order on purpose. Verify the "
            "exact gradient with `second_order_after=0`. Received: a learner "
            f"with second_order_after={learner.second_order_after}"
        )
    with double_precision():
        copy = copy_in_double_precision(learner)
        episodes, query_y = tf.nest.map_structure(
            _widen_tensor, (dict(episodes), query_y)
        )
        error = _largest_error(copy, episodes, query_y, directions, seed)
        if error <= tolerance:
            return error
        names = inexact_layers(copy, episodes)
    blame = (
        f"Layers with an inexact gradient of their own: {', '.join(names)}."
        if names
        else "Each layer's own gradient is exact, so look at what connects "
        "them: `stop_gradient`, `custom_gradient`, or the learner itself."
    )
    raise AssertionError(
        "The meta-gradient differs from finite differences by a relative "
        f"{error:.1e}, and {tolerance:.0e} is allowed. {blame}"
    )


def _widen_tensor(tensor):
    tensor = tf.convert_to_tensor(tensor)
    return tf.cast(tensor, "float64") if tensor.dtype.is_floating else tensor


def _largest_error(learner, episodes, query_y, directions, seed):
    weights = learner.trainable_variables
    state = [tf.identity(v) for v in learner.non_trainable_variables]
    compiled_gradients = tf.function(learner.meta_gradients)
    compiled_loss = tf.function(learner.meta_loss)

    def rewind():
        # Each evaluation must draw the same dropout masks.
        for variable, value in zip(learner.non_trainable_variables, state):
            variable.assign(value)

    def loss_at(start, direction, distance):
        rewind()
        for weight, value, along in zip(weights, start, direction):
            weight.assign(value + distance * along)
        return float(compiled_loss(episodes, query_y)[0])

    gradients = compiled_gradients(episodes, query_y)[2]
    gradients = [
        np.zeros(w.shape) if g is None else tf.convert_to_tensor(g).numpy()
        for w, g in zip(weights, gradients)
    ]
    start = [w.numpy() for w in weights]
    generator = np.random.default_rng(seed)
    errors = []
    for _ in range(directions):
        # Half along the gradient, so that the slope is well above rounding;
        # half at random, so that no wrong part of it can hide.
        noise = _unit([generator.normal(size=w.shape) for w in weights])
        along = [g + n for g, n in zip(_unit(gradients), noise)]
        expected = sum(np.sum(g * v) for g, v in zip(gradients, along))
        rise = loss_at(start, along, _STEP) - loss_at(start, along, -_STEP)
        slope = rise / (2 * _STEP)
        scale = max(abs(slope), abs(expected), 1e-12)
        errors.append(abs(slope - expected) / scale)
    return float(max(errors))


def _unit(arrays):
    norm = np.sqrt(sum(np.sum(np.square(a)) for a in arrays))
    return [a / norm if norm else a for a in arrays]
