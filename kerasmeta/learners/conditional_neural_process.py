"""Conditional neural processes."""

import keras
import tensorflow as tf

from kerasmeta.backbones import mlp
from kerasmeta.learners.neural_process_learner import NeuralProcessLearner
from kerasmeta.ops import masked_mean
from kerasmeta.ops.append_vector import append_vector
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class ConditionalNeuralProcess(NeuralProcessLearner):
    """CNP: a function in one vector, the mean over its encoded points.

    Use it as the first of the neural processes: it is the cheapest, and trains
    most easily. What it predicts for different queries is independent, and it
    underfits where there are many support points. With networks `h` and `g`,

    `r = mean over i of h(x_i, y_i)`,
    `mean, scale = g(query, r)`

    so that adapting takes time in proportion to the number of points, and the
    state is one vector, the same in whatever order the points come. Without
    any point it is zero.

    Scale features and targets to about unit size. `h` has three hidden layers
    and `g` two, as in the authors' code.

    Reference: Garnelo, Rosenbaum, Maddison, Ramalho, Saxton, Shanahan, Teh,
    Rezende and Eslami, 2018, "Conditional Neural Processes", arXiv:1807.01613.

    Args:
        input_size: Number of features of an example, `D`.
        target_size: Number of targets of an example, `K`.
        width: Units of each hidden layer, and length of `r`.
        minimum_scale: Positive number, below which no predicted standard
            deviation falls, in the unit of the targets. The authors' code has
            0.1 here, which suits noisy targets.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If an argument is not a positive number.

    Example:

    >>> learner = km.learners.ConditionalNeuralProcess(width=32)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=km.losses.GaussianNegativeLogLikelihood(),
    ...     metrics=[km.metrics.GaussianMeanSquaredError()],
    ... )
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> model = learner.adapted_model([[0.0], [1.0]], [[0.0], [0.8]])
    >>> predicted = model.predict(np.array([[0.5]]), verbose=0)
    >>> mean, scale = km.ops.split_gaussian(predicted)
    >>> mean.shape, bool(scale > 0.01)
    (TensorShape([1, 1]), True)
    """

    def __init__(
        self,
        input_size=1,
        target_size=1,
        width=128,
        minimum_scale=0.01,
        **kwargs,
    ):
        super().__init__(input_size, target_size, minimum_scale, **kwargs)
        self.width = check_positive_int("width", width)
        self.encoder = mlp(
            (None, input_size + target_size), width, [width] * 3, "encoder"
        )
        self.decoder = mlp(
            (None, input_size + width), 2 * target_size, [width] * 2, "decoder"
        )

    def encode(self, x, y, mask):
        encoded = self.encoder(tf.concat([x, y], axis=-1))
        encoded = tf.cast(encoded, self.variable_dtype)
        return {"representation": masked_mean(encoded, mask)}

    def decode(self, state, query_x):
        inputs = append_vector(query_x, state["representation"])
        return self.gaussian(self.decoder(inputs))

    def get_config(self):
        return {**super().get_config(), "width": self.width}
