"""The base of neural processes with a latent variable."""

import abc
import math

import keras
import numpy as np
import tensorflow as tf

from kerasmeta.backbones import mlp
from kerasmeta.learners.neural_process_learner import NeuralProcessLearner
from kerasmeta.learners.neural_process_learner import as_points
from kerasmeta.learners.neural_process_learner import support_points
from kerasmeta.learners.replicas import num_replicas
from kerasmeta.learners.several_predictions import mean_of_losses
from kerasmeta.ops import gaussian_log_likelihood
from kerasmeta.ops import masked_mean
from kerasmeta.ops import split_gaussian
from kerasmeta.ops.gaussians import kl_of_normals
from kerasmeta.ops.gaussians import moments_of_mixture
from kerasmeta.ops.seeded_noise import normals_of_tasks
from kerasmeta.ops.seeded_noise import seeded_normals
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_seed


class LatentProcessLearner(NeuralProcessLearner, abc.ABC):
    """A neural process that draws whole functions, from one latent vector each.

    Points `C` of a function give a normal distribution `q(z | C)` of a latent
    vector: the mean over encoded points, a hidden layer, means and scales
    `0.1 + 0.9 sigmoid(.)`. A function is what the decoder makes of one `z`,
    and training maximizes the evidence bound of the queries, in which all
    points of the task give the posterior and the support set the prior.

    A subclass writes `query_features`, what the decoder sees of a query
    besides `z`, and may add to what `encode` returns.

    Args:
        feature_size: Length of what `query_features` returns.
        input_size: Number of features of an example, `D`.
        target_size: Number of targets of an example, `K`.
        width: Units of each hidden layer.
        latent_size: Length of the latent vector, `L`.
        samples: Number of draws in a prediction.
        minimum_scale: As in the base.
        seed: Non-negative integer, or `None` for noise in `fit` that differs
            from run to run, unless `keras.utils.set_random_seed` was called.
    """

    def __init__(
        self,
        feature_size,
        input_size=1,
        target_size=1,
        width=128,
        latent_size=128,
        samples=16,
        minimum_scale=0.01,
        seed=None,
        **kwargs,
    ):
        super().__init__(input_size, target_size, minimum_scale, **kwargs)
        self.width = check_positive_int("width", width)
        self.latent_size = check_positive_int("latent_size", latent_size)
        self.samples = check_positive_int("samples", samples)
        self.seed = seed if seed is None else check_seed(seed)
        self.noise_generator = keras.random.SeedGenerator(self.seed)
        self.latent_encoder = mlp(
            (None, input_size + target_size),
            width,
            [width] * 2,
            "latent_encoder",
        )
        self.latent_head = mlp(
            (width,), 2 * latent_size, [width], "latent_head"
        )
        self.decoder = mlp(
            (None, feature_size + latent_size),
            2 * target_size,
            [width] * 2,
            "decoder",
        )

    @abc.abstractmethod
    def query_features(self, state, query_x):
        """Return what the decoder sees of queries, `[T, Q, feature_size]`."""

    def encode(self, x, y, mask):
        mean, scale = self.encode_latent(x, y, mask)
        return {"latent_mean": mean, "latent_scale": scale}

    def encode_latent(self, x, y, mask):
        """Return mean and scale of `q(z | points)`, each `[T, L]`."""
        encoded = self.latent_encoder(tf.concat([x, y], axis=-1))
        encoded = tf.cast(encoded, self.variable_dtype)
        outputs = self.latent_head(masked_mean(encoded, mask))
        mean, raw = tf.split(tf.cast(outputs, self.variable_dtype), 2, axis=-1)
        return mean, 0.1 + 0.9 * tf.sigmoid(raw)

    def decode(self, state, query_x):
        # Always the same noise, that predicting twice gives the same.
        latents = self._draw(state, self.samples, [self.seed or 0, 0])
        functions = self.decode_latents(state, latents, query_x)
        mean, scale = split_gaussian(functions)  # (T, samples, Q, K)
        return tf.concat(moments_of_mixture(mean, scale, axis=1), axis=-1)

    def decode_latents(self, state, latents, query_x):
        """Predict queries with each of several latent vectors.

        Args:
            state: What `encode` returned.
            latents: `[T, n, L]`.
            query_x: `[T, Q, D]`.

        Returns:
            Means and scales, `[T, n, Q, 2 * K]`.
        """
        features = self.query_features(state, query_x)
        tasks, draws = tf.shape(latents)[0], tf.shape(latents)[1]
        queries = tf.shape(features)[1]
        shape = [tasks, draws, queries]
        inputs = tf.concat(
            [
                tf.broadcast_to(
                    features[:, None], [*shape, features.shape[-1]]
                ),
                tf.broadcast_to(
                    latents[:, :, None], [*shape, self.latent_size]
                ),
            ],
            axis=-1,
        )
        inputs = tf.reshape(inputs, [tasks * draws, queries, inputs.shape[-1]])
        outputs = self.gaussian(self.decoder(inputs))
        return tf.reshape(outputs, [*shape, 2 * self.target_size])

    def sample(self, state, query_x, num_samples=1, seed=0):
        """Draw functions that fit the support set of one task.

        A function has one latent vector for all queries, so its values belong
        together; the noise of single observations is left out.

        Args:
            state: What `adapt` returned.
            query_x: `[Q, D]`.
            num_samples: Number of functions.
            seed: Non-negative integer. Another seed gives other functions, the
                same seed the same at any queries.

        Returns:
            Values of the functions, `[num_samples, Q, K]`.
        """
        functions = self._functions(state, query_x, num_samples, seed, 1)
        return split_gaussian(functions)[0]

    def log_likelihood(self, state, query_x, query_y, num_samples=100, seed=0):
        """Estimate how likely all queries of one task are together.

        `log p(y_1, ..., y_Q) = log mean over z of prod_i p(y_i | z)`

        with `num_samples` draws of `z` from `q(z | C)`. It is what papers
        report, divided by `Q`; that of predictions is of a normal distribution
        for each query by itself. On average the estimate is too low, the less
        the more draws there are.

        Args:
            state: What `adapt` returned.
            query_x: `[Q, D]`.
            query_y: `[Q, K]`, or `[Q]` where `K` is 1.
            num_samples: Number of draws.
            seed: Non-negative integer, for other draws.

        Returns:
            The log-density in nats, a scalar.

        Raises:
            ValueError: If there is not one target for each query.
        """
        functions = self._functions(state, query_x, num_samples, seed, 2)
        query_y = tf.convert_to_tensor(query_y)
        if not query_y.shape[:1].is_compatible_with(functions.shape[1:2]):
            raise ValueError(
                "There must be targets for each query. Received: query_y of "
                f"shape {query_y.shape}, {functions.shape[1]} queries"
            )
        shape = [1, -1, self.target_size]
        logs = gaussian_log_likelihood(tf.reshape(query_y, shape), functions)
        logs = tf.reduce_sum(logs, axis=1)  # (num_samples,)
        return tf.reduce_logsumexp(logs) - math.log(num_samples)

    def _functions(self, state, query_x, count, seed, use):
        """Predict queries of one task by some draws, `[count, Q, 2 * K]`."""
        count = check_positive_int("num_samples", count)
        states = tf.nest.map_structure(lambda t: t[None], state)
        # Noise of its own for each use; predictions have that of 0.
        latents = self._draw(states, count, [check_seed(seed), use])
        query_x = tf.cast(query_x, self.variable_dtype)[None]
        return self.decode_latents(states, latents, query_x)[0]

    def _draw(self, state, count, seed):
        """Draw latent vectors, `[T, count, L]`, with noise that tasks share."""
        noise = seeded_normals([1, count, self.latent_size], seed)
        noise = tf.cast(noise, self.variable_dtype)
        mean, scale = state["latent_mean"], state["latent_scale"]
        return mean[:, None] + scale[:, None] * noise

    def meta_loss(self, episodes, query_y, sample_weight=None, training=True):
        if not training:
            return super().meta_loss(episodes, query_y, sample_weight, training)
        # What metrics judge is predicted by the prior: the posterior knows.
        query_pred = self(episodes, training=True)
        support = support_points(self, episodes)
        queries = as_points(
            self, episodes["query_x"], query_y, episodes.get("query_mask")
        )
        state = self.encode(*support)
        posterior = self.encode_latent(
            *(tf.concat(pair, axis=1) for pair in zip(support, queries))
        )
        functions = self.decode_latents(
            state, self._draw_of_tasks(*posterior), queries[0]
        )
        loss = mean_of_losses(
            self, episodes, query_y, sample_weight, functions, np.ones(1)
        )
        prior = state["latent_mean"], state["latent_scale"]
        divergence = _divergence(posterior, prior, queries[2])
        # The replicas add their gradients; Keras divides its losses likewise.
        return loss + divergence / num_replicas(), query_pred

    def _draw_of_tasks(self, mean, scale):
        """Draw one latent vector a task, `[T, 1, L]`, anew at each call."""
        noise = normals_of_tasks(
            tf.shape(mean)[0], self.latent_size, self.noise_generator.next()
        )
        return (mean + scale * tf.cast(noise, mean.dtype))[:, None]

    def get_config(self):
        return {
            **super().get_config(),
            "width": self.width,
            "latent_size": self.latent_size,
            "samples": self.samples,
            "seed": self.seed,
        }


def _divergence(posterior, prior, query_mask):
    """Return the divergence from the prior, a query, in the mean over tasks."""
    divergences = tf.reduce_sum(kl_of_normals(*posterior, *prior), axis=-1)
    counts = tf.reduce_sum(tf.cast(query_mask, divergences.dtype), axis=1)
    return tf.reduce_mean(tf.math.divide_no_nan(divergences, counts))
