"""The loss of relation networks."""

import keras
import tensorflow as tf

from kerasmeta.losses.same_class import same_class


@keras.saving.register_keras_serializable(package="kerasmeta")
class RelationMeanSquaredError(keras.losses.Loss):
    """Squared error of relation scores: 1 with the own class, 0 with others.

    Compile `RelationNetwork` with it to train as the paper does. For a query of
    class `y` with the logits `l_n` it is

    `sum over classes n of (sigmoid(l_n) - 1[n = y])^2`

    A sum, so that classes that a task does not have add nothing to it.

    Reference: Sung, Yang, Zhang, Xiang, Torr and Hospedales, 2018, "Learning to
    Compare: Relation Network for Few-Shot Learning", arXiv:1711.06025.

    Args:
        name: Name of the loss.
        **kwargs: `reduction` and `dtype`, as for `keras.losses.Loss`.

    Call it on integer labels `[n]` and logits `[n, N]`.

    Example:

    >>> loss = km.losses.RelationMeanSquaredError()
    >>> float(loss(np.array([0]), np.array([[0.0, 0.0, -100.0]])))
    0.5
    """

    def __init__(self, name="relation_mean_squared_error", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        errors = tf.sigmoid(y_pred) - same_class(y_true, y_pred)
        return tf.reduce_sum(tf.square(errors), axis=-1)
