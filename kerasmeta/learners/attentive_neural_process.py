"""Attentive neural processes."""

import keras
import tensorflow as tf

from kerasmeta.backbones import mlp
from kerasmeta.layers.cross_attention import CrossAttention
from kerasmeta.learners.latent_process_learner import LatentProcessLearner
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class AttentiveNeuralProcess(LatentProcessLearner):
    """ANP: a neural process in which a query looks at the points near to it.

    Use it where the mean over points of `NeuralProcess` underfits: it goes
    through the support points, and still draws functions, by `sample`. Beside
    the latent vector the decoder sees what multi-head attention `A` returns,
    with networks `e` of features and `f` of points,

    `r(query) = A(e(query); keys e(x_i), values f(x_i, y_i))`,
    `mean, scale = g(query, r(query), z)`

    Training, prediction and `z` are those of `NeuralProcess`. As in the
    authors' code for curves, there is attention between queries and points, and
    none of points to each other. It takes time in proportion to their product.

    Scale features and targets to about unit size.

    Reference: Kim, Mnih, Schwarz, Garnelo, Eslami, Rosenbaum, Vinyals and Teh,
    2019, "Attentive Neural Processes", arXiv:1901.05761.

    Args:
        input_size: Number of features of an example, `D`.
        target_size: Number of targets of an example, `K`.
        width: Units of each hidden layer, keys and values.
        latent_size: Length of the latent vector.
        heads: Number of heads of the attention, a divisor of `width`.
        samples: Number of draws in a prediction.
        minimum_scale: Positive number, below which no standard deviation of
            the decoder falls, in the unit of the targets. The authors' code
            has 0.1 here.
        seed: Non-negative integer, or `None` for noise in `fit` that differs
            from run to run, unless `keras.utils.set_random_seed` was called.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If an argument is not a positive number, or `heads` is no
            divisor of `width`.

    Example:

    >>> learner = km.learners.AttentiveNeuralProcess(width=32, latent_size=8)
    >>> state = learner.adapt(tf.constant([[0.0]]), tf.constant([[0.8]]))
    >>> query_x = tf.linspace([-5.0], [5.0], 100)
    >>> learner.predict_query(state, query_x).shape
    TensorShape([100, 2])
    >>> learner.sample(state, query_x, num_samples=3).shape
    TensorShape([3, 100, 1])
    """

    def __init__(
        self,
        input_size=1,
        target_size=1,
        width=128,
        latent_size=128,
        heads=8,
        samples=16,
        minimum_scale=0.01,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            input_size + width,
            input_size,
            target_size,
            width,
            latent_size,
            samples,
            minimum_scale,
            seed,
            **kwargs,
        )
        self.heads = check_positive_int("heads", heads)
        self.point_encoder = mlp(
            (None, input_size + target_size),
            width,
            [width] * 3,
            "point_encoder",
        )
        self.key_encoder = mlp((None, input_size), width, [width], "keys")
        self.attention = CrossAttention(heads, dtype=self.dtype_policy)
        self.attention.build(*[(None, None, width)] * 3)

    def encode(self, x, y, mask):
        values = self.point_encoder(tf.concat([x, y], axis=-1))
        return {
            **super().encode(x, y, mask),
            "keys": tf.cast(self.key_encoder(x), self.variable_dtype),
            "values": tf.cast(values, self.variable_dtype),
            "mask": mask,
        }

    def query_features(self, state, query_x):
        queries = tf.cast(self.key_encoder(query_x), self.variable_dtype)
        seen = self.attention(
            queries, state["keys"], state["values"], state["mask"]
        )
        return tf.concat([query_x, seen], axis=-1)

    def get_config(self):
        return {**super().get_config(), "heads": self.heads}
