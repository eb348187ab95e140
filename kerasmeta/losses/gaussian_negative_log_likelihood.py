"""The loss of predictions that are normal distributions."""

import keras

from kerasmeta.ops.gaussian_predictions import gaussian_log_likelihood


@keras.saving.register_keras_serializable(package="kerasmeta")
class GaussianNegativeLogLikelihood(keras.losses.Loss):
    """Negative log-density of the targets under predicted normal distributions.

    Compile neural processes with it. Of a query with the targets `y_k`, the
    predicted means `m_k` and standard deviations `s_k`, it is, in nats,

    `sum over k of log s_k + log(2 pi) / 2 + ((y_k - m_k) / s_k)^2 / 2`

    Args:
        name: Name of the loss.
        **kwargs: `reduction` and `dtype`, as for `keras.losses.Loss`.

    Call it on targets `[n, K]`, or `[n]`, and predictions `[n, 2 * K]`: means,
    then standard deviations.

    Example:

    >>> loss = km.losses.GaussianNegativeLogLikelihood()
    >>> round(float(loss(np.array([[1.0]]), np.array([[1.0, 1.0]]))), 4)
    0.9189
    """

    def __init__(self, name="gaussian_negative_log_likelihood", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        return -gaussian_log_likelihood(y_true, y_pred)
