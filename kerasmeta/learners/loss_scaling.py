"""Scaling of the outer loss for networks that compute in `mixed_float16`."""

import keras

_Scaling = keras.optimizers.LossScaleOptimizer


def scale_in_float16(model, optimizer):
    """Return the optimizer, wrapped as Keras does it where that is needed.

    Args:
        model: Keras model, which may have layers in `mixed_float16`.
        optimizer: Keras optimizer, or `None`.
    """
    is_half = any(
        layer.dtype_policy.name == "mixed_float16"
        for layer in model._flatten_layers()
    )
    if not is_half or optimizer is None or isinstance(optimizer, _Scaling):
        return optimizer
    return _Scaling(optimizer, name="loss_scale_optimizer")
