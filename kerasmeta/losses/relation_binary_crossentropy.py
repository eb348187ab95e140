"""The loss of siamese networks."""

import keras
import tensorflow as tf

from kerasmeta.losses.same_class import same_class


@keras.saving.register_keras_serializable(package="kerasmeta")
class RelationBinaryCrossentropy(keras.losses.Loss):
    """Is a query of this class? The crossentropy of that, over all classes.

    Compile `SiameseNetwork` with it to train as the paper does: each class is
    judged by itself, and scores are probabilities of being the same. For a
    query of class `y` with the logits `l_n` it is

    `-log sigmoid(l_y) - sum over other classes n of log(1 - sigmoid(l_n))`

    A sum, so that classes that a task does not have add nothing to it.

    Reference: Koch, Zemel and Salakhutdinov, 2015, "Siamese Neural Networks for
    One-shot Image Recognition".

    Args:
        name: Name of the loss.
        **kwargs: `reduction` and `dtype`, as for `keras.losses.Loss`.

    Call it on integer labels `[n]` and logits `[n, N]`.

    Example:

    >>> loss = km.losses.RelationBinaryCrossentropy()
    >>> float(loss(np.array([0]), np.array([[100.0, -100.0, -100.0]])))
    0.0
    """

    def __init__(self, name="relation_binary_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        losses = tf.nn.sigmoid_cross_entropy_with_logits(
            labels=same_class(y_true, y_pred), logits=y_pred
        )
        return tf.reduce_sum(losses, axis=-1)
