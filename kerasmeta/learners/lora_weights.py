"""LoRA in files: the matrices as they are, and not what Keras makes of them.

Keras merges the matrices of a layer into its kernel when it saves, and loads
zeros in their place. The layer predicts the same, but both gradients are zero
from then on: it would never adapt or train again. So a learner keeps the
weights of such layers in its own part of a file, too.
"""

import numpy as np


def save_lora(learner, store):
    """Write the weights of all layers with LoRA into a learner's store."""
    for name, variable in _named_weights(learner).items():
        store[name] = variable.numpy()


def load_lora(learner, own):
    """Take the weights of layers with LoRA out of what a learner saved.

    They are set when the layers themselves have been loaded, which Keras does
    after the learner.

    Args:
        learner: Keras model.
        own: Dictionary of the learner's own arrays; those of LoRA are removed.
    """
    saved = {k: own.pop(k) for k in list(own) if k.startswith("lora_")}
    # Weights may come from a network with LoRA in other places.
    if saved.keys() != _named_weights(learner).keys():
        return
    for i, layer in enumerate(_lora_layers(learner)):
        count = len(layer.variables)
        arrays = [np.array(saved[f"lora_{i}_{j}"]) for j in range(count)]
        _set_after_loading(layer, arrays)


def enable_lora_as(source, target):
    """Enable LoRA in a copy of a model where the model has it.

    The configuration of a learner that makes its networks itself does not know
    of it.

    Args:
        source: Keras model.
        target: Keras model of the same layers.
    """
    for layer, copy in zip(
        source._flatten_layers(), target._flatten_layers(), strict=True
    ):
        if getattr(layer, "lora_enabled", False) and not copy.lora_enabled:
            copy.enable_lora(layer.lora_rank, layer.lora_alpha)


def _set_after_loading(layer, arrays):
    def load_own_variables(store):
        del layer.load_own_variables  # That of its class from now on.
        layer.load_own_variables(store)
        layer.set_weights(arrays)

    layer.load_own_variables = load_own_variables


def _lora_layers(learner):
    return [
        layer
        for layer in learner._flatten_layers()
        if getattr(layer, "lora_enabled", False)
    ]


def _named_weights(learner):
    """Return the weights of all layers with LoRA, by their name in files."""
    return {
        f"lora_{i}_{j}": variable
        for i, layer in enumerate(_lora_layers(learner))
        for j, variable in enumerate(layer.variables)
    }
