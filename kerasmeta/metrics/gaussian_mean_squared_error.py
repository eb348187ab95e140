"""How near the means of predicted normal distributions are."""

import keras
import tensorflow as tf

from kerasmeta.ops.gaussian_predictions import as_targets
from kerasmeta.ops.gaussian_predictions import split_gaussian


@keras.saving.register_keras_serializable(package="kerasmeta")
class GaussianMeanSquaredError(keras.metrics.MeanMetricWrapper):
    """Mean squared error of the means, whatever the scales.

    Use it to compare learners that predict distributions with others, whose
    `"mse"` it is.

    Args:
        name: Name of the metric.
        **kwargs: `dtype`, as for `keras.metrics.Metric`.

    Call it on targets `[n, K]`, or `[n]`, and predictions `[n, 2 * K]`: means,
    then standard deviations.

    Example:

    >>> metric = km.metrics.GaussianMeanSquaredError()
    >>> metric.update_state(np.array([[1.0]]), np.array([[3.0, 0.1]]))
    >>> float(metric.result())
    4.0
    """

    def __init__(self, name="mse", **kwargs):
        super().__init__(_squared_error, name=name, **kwargs)

    def get_config(self):
        # What the wrapper adds, its function, is always the same.
        return keras.metrics.Metric.get_config(self)


def _squared_error(y_true, y_pred):
    mean, _ = split_gaussian(y_pred)
    errors = tf.square(as_targets(y_true, mean) - mean)
    return tf.reduce_mean(errors, axis=-1)
