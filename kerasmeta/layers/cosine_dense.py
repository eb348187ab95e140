"""A dense layer of cosines."""

import keras

from kerasmeta.ops.unit_vectors import unit_vectors
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class CosineDense(keras.layers.Layer):
    """Logits that are cosines of angles to one vector a class.

    Use it to pre-train a backbone for `km.learners.BaselinePlusPlus`: where
    only directions count, examples of a class come to lie close together.

    `CosineDense(x)_n = scale * cos(w_n, x)`

    Reference: Chen, Liu, Kira, Wang and Huang, 2019, "A Closer Look at Few-shot
    Classification", arXiv:1904.04232. Its code also learns a length of each
    `w_n`, which its text does not have.

    Args:
        units: Number of classes.
        scale: What cosines are multiplied by: the authors use 2, and 10 with
            more than 200 classes.
        kernel_initializer: How the vectors begin, as for `keras.layers.Dense`.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Call arguments:
        x: `[..., D]`.

    Raises:
        ValueError: If `units` is not a positive integer or `scale` no positive
            number.

    Example:

    >>> layer = km.layers.CosineDense(2, scale=10.0)
    >>> layer.build((None, 2))
    >>> layer.set_weights([np.array([[5.0, 0.0], [0.0, 1.0]])])
    >>> layer(np.array([[3.0, 4.0]])).numpy().round(4).tolist()
    [[6.0, 8.0]]
    """

    def __init__(
        self, units, scale=2.0, kernel_initializer="glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.units = check_positive_int("units", units)
        self.scale = check_positive_number("scale", scale)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units),
            initializer=self.kernel_initializer,
            name="kernel",
        )

    def call(self, x):
        directions = unit_vectors(keras.ops.convert_to_tensor(self.kernel), 0)
        return self.scale * keras.ops.matmul(unit_vectors(x), directions)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "scale": self.scale,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }
