"""The model of a table encoder."""

import keras
import numpy as np

from kerasmeta.layers import Impute
from kerasmeta.layers import OneHotStrings


def encoder_model(cells, fill, categories):
    """Return a model from columns `[n, 1]` to float32 vectors `[n, D]`.

    Args:
        cells: Dictionary of names of numeric columns and their numbers `[n]`,
            without gaps.
        fill: Dictionary of their names and of what replaces a gap.
        categories: Dictionary of names of other columns and their categories.
    """
    # `tf.nest` sorts dictionaries: a model of sorted inputs fits them.
    inputs = {
        name: keras.Input((1,), name=name, dtype=dtype)
        for name, dtype in sorted(
            [(c, "float32") for c in cells]
            + [(c, "string") for c in categories]
        )
    }
    # No column can have names such as these, nor loses precision under a
    # policy of half precision.
    outputs = []
    if cells:
        x = _join([inputs[c] for c in cells], "join.numbers")
        x = Impute([fill[c] for c in cells], name="impute.", dtype="float32")(x)
        outputs.append(_standardize(cells)(x))
    for column, vocabulary in categories.items():
        layer = OneHotStrings(
            vocabulary, name=f"one_hot.{column}", dtype="float32"
        )
        outputs.append(layer(inputs[column]))
    outputs = _join(outputs, "join.")
    return keras.Model(inputs, outputs, name="table_encoder")


def _standardize(cells):
    return keras.layers.Normalization(
        mean=[float(np.mean(c)) for c in cells.values()],
        # A constant says nothing, and must not explode when it changes.
        variance=[float(np.var(c) if np.ptp(c) else 1) for c in cells.values()],
        name="standardize.",
        dtype="float32",
    )


def _join(tensors, name):
    if len(tensors) == 1:
        return tensors[0]
    return keras.layers.Concatenate(name=name, dtype="float32")(tensors)
