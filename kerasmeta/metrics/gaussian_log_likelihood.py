"""How likely the targets are under predicted normal distributions."""

import keras

from kerasmeta.ops.gaussian_predictions import gaussian_log_likelihood


@keras.saving.register_keras_serializable(package="kerasmeta")
class GaussianLogLikelihood(keras.metrics.MeanMetricWrapper):
    """Mean log-density of the targets of a query, in nats; larger is better.

    Use it to compare neural processes, and with a Gaussian process: it counts
    how near the means are, and how honest the scales. The negative of
    `km.losses.GaussianNegativeLogLikelihood`.

    Args:
        name: Name of the metric.
        **kwargs: `dtype`, as for `keras.metrics.Metric`.

    Call it on targets `[n, K]`, or `[n]`, and predictions `[n, 2 * K]`: means,
    then standard deviations.

    Example:

    >>> metric = km.metrics.GaussianLogLikelihood()
    >>> metric.update_state(np.array([[1.0]]), np.array([[1.0, 0.1]]))
    >>> round(float(metric.result()), 4)
    1.3836
    """

    def __init__(self, name="log_likelihood", **kwargs):
        super().__init__(gaussian_log_likelihood, name=name, **kwargs)

    def get_config(self):
        # What the wrapper adds, its function, is always the same.
        return keras.metrics.Metric.get_config(self)
