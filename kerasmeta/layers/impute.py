"""Missing numbers replaced inside a model."""

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="kerasmeta")
class Impute(keras.layers.Layer):
    """Replaces missing numbers, NaN, by one value for each feature.

    Use it as a first layer, so that a saved model takes examples with gaps.
    `kerasmeta.episodes.table_encoder` makes one of a fitted table.

    Args:
        values: What replaces NaN in each of the `D` features, finite numbers.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Raises:
        ValueError: If `values` is empty or holds anything but finite numbers,
            or the examples have another number of features.

    Example:

    >>> layer = km.layers.Impute([0.5, 7.0])
    >>> layer(np.array([[np.nan, 1.0], [2.0, np.nan]])).numpy()
    array([[0.5, 1. ], [2. , 7. ]], dtype=float32)
    """

    def __init__(self, values, **kwargs):
        super().__init__(**kwargs)
        self.values = _check_values(values)

    def build(self, input_shape):
        if input_shape[-1] != len(self.values):
            raise ValueError(
                "`Impute` must have one value for each feature. Received: "
                f"{len(self.values)} values for examples of shape "
                f"{tuple(input_shape[1:])}"
            )

    def call(self, inputs):
        values = keras.ops.cast(self.values, inputs.dtype)
        return keras.ops.where(keras.ops.isnan(inputs), values, inputs)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "values": self.values}


def _check_values(values):
    try:
        array = np.asarray(values, "float64")
    except (TypeError, ValueError):
        array = np.array(np.nan)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise ValueError(
            "`values` must be a list of finite numbers, one for each feature. "
            f"Received: values={values!r}"
        )
    return array.tolist()
