"""What layers adapt to that is neither a weight nor configuration."""

import tempfile


def copy_adapted_layers(source, target):
    """Give a copy of a model what the layers of the model were adapted to.

    Vocabularies, and what layers such as `Normalization` derive from weights
    that were set.

    Args:
        source: Keras model.
        target: Keras model of the same layers and with the same weights.
    """
    for layer in target._flatten_layers():
        has_vocabulary = hasattr(layer, "get_vocabulary")
        if hasattr(layer, "finalize_state") and not has_vocabulary:
            layer.finalize_state()
    pairs = [
        (layer, copy)
        for layer, copy in zip(
            source._flatten_layers(), target._flatten_layers(), strict=True
        )
        if hasattr(layer, "get_vocabulary")
    ]
    # Document frequencies come first: reading a vocabulary looks at them.
    for layer, copy in pairs:
        variables = {}
        layer.save_own_variables(variables)
        copy.load_own_variables(variables)
    for layer, copy in pairs:
        with tempfile.TemporaryDirectory() as folder:
            layer.save_assets(folder)
            copy.load_assets(folder)
