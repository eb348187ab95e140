"""Examples beside their labels, as what reads sequences takes them."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.utils import check_can_be_normalized
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class LabelledExamples(keras.layers.Layer):
    """Puts the label of an example beside its embedding, equally loud.

    What learners that read a support set example by example take in. An
    embedding `f` of `D` numbers is normalized, and the one-hot label `e` of its
    class made as long as it,

    `[LayerNorm(f), sqrt(D) e]`

    Without it, what a reader first sees depends on the scale of a backbone that
    is not trained yet, and a label of length one is lost beside it: on Omniglot
    an LSTM was still at chance after 1,700 steps, and at 78 % after 2,500 with
    it (`docs/results.md`). What is lost is how large the numbers of an
    embedding are together: a backbone that ends with a `Dense` layer can say it
    otherwise.

    Args:
        ways: Number of classes `N`.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call arguments:
        inputs: Embeddings `[..., D]`.
        members: What each is said to be, `[..., N]`: one for its class and zero
            elsewhere, or all zeros where the label is not told.

    Raises:
        ValueError: If `ways` is unsuitable, or embeddings are single numbers,
            of which normalization leaves nothing.

    Example:

    >>> layer = km.layers.LabelledExamples(ways=2)
    >>> outputs = layer(
    ...     tf.constant([[1.0, 5.0, 3.0, 3.0]]), tf.constant([[0.0, 1.0]])
    ... )
    >>> print(outputs.numpy().round(1))
    [[-1.4  1.4  0.   0.   0.   2. ]]
    """

    def __init__(self, ways, **kwargs):
        super().__init__(**kwargs)
        self.ways = check_positive_int("ways", ways)

    def build(self, inputs_shape, members_shape=None):
        self.size = inputs_shape[-1]
        check_can_be_normalized(self.size)
        self.norm = layers.LayerNormalization(
            dtype=self.dtype_policy, name="norm"
        )
        self.norm.build(inputs_shape)

    def call(self, inputs, members):
        normalized = self.norm(inputs)
        labels = tf.cast(members, normalized.dtype) * self.size**0.5
        return tf.concat([normalized, labels], axis=-1)

    def compute_output_shape(self, inputs_shape, members_shape=None):
        return (*inputs_shape[:-1], inputs_shape[-1] + self.ways)

    def get_config(self):
        return {**super().get_config(), "ways": self.ways}
