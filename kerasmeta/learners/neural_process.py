"""Neural processes with a latent variable."""

import keras

from kerasmeta.learners.latent_process_learner import LatentProcessLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class NeuralProcess(LatentProcessLearner):
    """NP: a distribution over functions, each of one latent vector.

    Use it to draw whole functions that fit a few points, by `sample`: their
    values at several queries belong together, which those of the conditional
    process do not. With networks `h`, `a` and `g`, and `C` the support set,

    `q(z | C) = N(m, s^2)`, `m, s = a(mean over C of h(x_i, y_i))`,
    `y ~ N(mean, scale^2)`, `mean, scale = g(query, z)`

    Training minimizes the negative evidence bound of the `Q` queries, divided
    by `Q`, with one draw of `z` a task,

    `E_q(z | C, queries)[L(query; z)] + KL(q(z | C, queries) || q(z | C)) / Q`

    where `L` is the compiled loss, a mean over queries:
    `km.losses.GaussianNegativeLogLikelihood()`. A prediction has the mean and
    the standard deviation of the mixture of `samples` draws from `q(z | C)`,
    always the same; in `evaluate` the loss is that of predictions.

    Scale features and targets to about unit size.

    Reference: Garnelo, Schwarz, Rosenbaum, Viola, Rezende, Eslami and Teh,
    2018, "Neural Processes", arXiv:1807.01622.

    Args:
        input_size: Number of features of an example, `D`.
        target_size: Number of targets of an example, `K`.
        width: Units of each hidden layer.
        latent_size: Length of the latent vector.
        samples: Number of draws in a prediction.
        minimum_scale: Positive number, below which no standard deviation of
            the decoder falls, in the unit of the targets. The authors' code
            has 0.1 here.
        seed: Non-negative integer, or `None` for noise in `fit` that differs
            from run to run, unless `keras.utils.set_random_seed` was called.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If an argument is not a positive number.

    Example:

    >>> learner = km.learners.NeuralProcess(width=32, latent_size=8)
    >>> learner.compile(
    ...     optimizer="adam", loss=km.losses.GaussianNegativeLogLikelihood()
    ... )
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> state = learner.adapt(tf.constant([[0.0]]), tf.constant([[0.8]]))
    >>> query_x = tf.linspace([-5.0], [5.0], 100)
    >>> learner.sample(state, query_x, num_samples=3).shape
    TensorShape([3, 100, 1])
    """

    def __init__(
        self,
        input_size=1,
        target_size=1,
        width=128,
        latent_size=128,
        samples=16,
        minimum_scale=0.01,
        seed=None,
        **kwargs,
    ):
        super().__init__(
            input_size,
            input_size,
            target_size,
            width,
            latent_size,
            samples,
            minimum_scale,
            seed,
            **kwargs,
        )

    def query_features(self, state, query_x):
        return query_x
