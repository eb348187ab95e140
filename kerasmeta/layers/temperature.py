"""A temperature of scores."""

import keras

from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class Temperature(keras.layers.Layer):
    """Divides scores by a temperature, which may be learned.

    Use it where the scale of scores is not that which a softmax needs: cosines
    lie between -1 and 1 and hardly tell classes apart, squared distances of
    long embeddings are so large that the softmax is saturated.

    `Temperature(scores) = scores / temperature`

    A learned temperature is `initial_value * exp(weight)`, and stays positive.

    Reference: Oreshkin, Rodriguez and Lacoste, 2018, "TADAM: Task dependent
    adaptive metric for improved few-shot learning", arXiv:1805.10123, whose
    `alpha` is its inverse.

    Args:
        initial_value: Positive number, the temperature at the beginning.
        learned: Whether it is learned.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Raises:
        ValueError: If `initial_value` is no positive number.

    Example:

    >>> layer = km.layers.Temperature(0.5, learned=True)
    >>> layer(np.array([1.0, 2.0])).numpy().tolist()
    [2.0, 4.0]
    >>> len(layer.trainable_weights)
    1
    """

    def __init__(self, initial_value=1.0, learned=False, **kwargs):
        super().__init__(**kwargs)
        self.initial_value = check_positive_number(
            "initial_value", initial_value
        )
        self.learned = learned
        if learned:
            self.log_ratio = self.add_weight(
                shape=(), initializer="zeros", name="log_ratio"
            )
        self.built = True

    def call(self, scores):
        scores = scores / self.initial_value
        if not self.learned:
            return scores
        return scores * keras.ops.exp(-self.log_ratio)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "initial_value": self.initial_value,
            "learned": self.learned,
        }
