"""Scaling of the outer loss for networks that compute in `mixed_float16`."""

import keras

_Scaling = keras.optimizers.LossScaleOptimizer


def computes_in_float16(model):
    """Return whether any layer of a model has the policy `mixed_float16`."""
    return any(
        layer.dtype_policy.name == "mixed_float16"
        for layer in model._flatten_layers()
    )


def scaling_loss(optimizer):
    """Return an optimizer that scales the loss, as Keras wraps it."""
    if optimizer is None or isinstance(optimizer, _Scaling):
        return optimizer
    return _Scaling(optimizer, name="loss_scale_optimizer")
