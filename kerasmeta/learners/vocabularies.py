"""What lookup layers learn, which is neither a weight nor configuration."""

import tempfile


def copy_vocabularies(source, target):
    """Give a copy of a model the vocabularies that the model was adapted to.

    Args:
        source: Keras model.
        target: Keras model of the same layers.
    """
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
