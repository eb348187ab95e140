"""The networks of latent embedding optimization."""

import keras
import tensorflow as tf
from keras import layers

from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops import class_prototypes
from kerasmeta.ops.gaussians import kl_to_standard_normal
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


class LatentNetwork(keras.Model):
    """A backbone, with what makes classifiers of its embeddings for `LEO`.

    `encoder` and `relation` go from embeddings to a distribution of latent
    codes, one a class, and `decoder` from codes to one of linear classifiers.
    All are dense layers without biases. Called on examples, it is the backbone.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes, `N`.
        latent_size: Length `K` of a latent code.
        seed: Seed of all noise.
        **penalty_weights: Numbers, zero or positive: `kl_weight` and
            `encoder_penalty_weight` of codes, `l2_weight` of all dense layers,
            and `orthogonality_weight` of the rows of the decoder.
    """

    def __init__(self, backbone, ways, latent_size, seed, **penalty_weights):
        super().__init__(
            name="latent_network",
            dtype=keras.config.floatx(),
            autocast=False,
        )
        self.embedding_size = embedding_size(backbone)
        self.backbone = backbone
        self.ways = check_positive_int("ways", ways, 2)
        self.latent_size = check_positive_int("latent_size", latent_size)
        self.seed = seed
        self.noise = keras.random.SeedGenerator(seed)
        for name, weight in penalty_weights.items():
            if weight != 0:
                check_positive_number(name, weight)
        self.penalty_weights = penalty_weights
        self._make_layers()
        self.built = True

    def _make_layers(self):
        weights = self.penalty_weights
        penalty = _Penalty(weights["l2_weight"])
        width = 2 * self.latent_size
        self.encoder = self._dense(self.latent_size, penalty)
        self.relation = [
            self._dense(width, penalty, activation="relu"),
            self._dense(width, penalty, activation="relu"),
            self._dense(width, penalty),
        ]
        self.decoder = self._dense(
            2 * self.embedding_size,
            _Penalty(weights["l2_weight"], weights["orthogonality_weight"]),
        )
        self.encoder.build((None, self.embedding_size))
        for layer in self.relation:
            layer.build((None, width))
        self.decoder.build((None, self.latent_size))

    def _dense(self, units, penalty, activation=None):
        return layers.Dense(
            units,
            activation,
            use_bias=False,
            kernel_regularizer=penalty,
            dtype=self.dtype,
        )

    def call(self, x, training=False):
        return self.backbone(x, training=training)

    def code_distribution(self, embeddings, labels, mask=None):
        """Return mean and log-variance of the code of each class.

        Each pair of support examples is compared; the mean over the second of
        a pair, then over the examples of a class, is what the class gets.

        Args:
            embeddings: `[S, D]`.
            labels: Integers, `[S]`.
            mask: Optional `[S]`, true for the examples that count.

        Returns:
            `(mean, log_variance)`, both `[N, K]`.
        """
        codes = self.encoder(embeddings)
        size = tf.shape(codes)[0]
        pairs = tf.concat(
            [
                tf.repeat(codes, size, axis=0),
                tf.tile(codes, [size, 1]),
            ],
            axis=-1,
        )  # (S * S, 2 K)
        for layer in self.relation:
            pairs = layer(pairs)
        pairs = tf.reshape(pairs, [size, size, 2 * self.latent_size])
        weights = tf.ones_like(codes[:, 0])
        if mask is not None:
            weights = tf.cast(mask, codes.dtype)
        related = tf.einsum("abk,b->ak", pairs, weights)
        related /= tf.maximum(tf.reduce_sum(weights), 1)
        classes = class_prototypes(related, labels, self.ways, mask)
        return tf.split(classes, 2, axis=-1)

    def weight_distribution(self, codes):
        """Return mean and log-variance of the classifier of each class.

        At a decoder of zeros the standard deviation is that of Glorot's
        initialisation, `sqrt(2 / (D + N))`.

        Args:
            codes: `[N, K]`.

        Returns:
            `(mean, log_variance)`, both `[N, D]`.
        """
        mean, log_variance = tf.split(self.decoder(codes), 2, axis=-1)
        glorot = tf.constant(2 / (self.embedding_size + self.ways), mean.dtype)
        return mean, log_variance + tf.math.log(glorot)

    def code_penalty(self, distribution, codes, adapted, is_class):
        """Return the penalty of the codes of the classes of a task, a scalar.

        Args:
            distribution: What `code_distribution` returned.
            codes: The sample of it that the steps began with, `[N, K]`.
            adapted: The codes after the steps, `[N, K]`.
            is_class: Bool `[N]`, true for the classes of the task.
        """
        moved = tf.square(tf.stop_gradient(adapted) - codes)
        weights = self.penalty_weights
        each = weights["kl_weight"] * kl_to_standard_normal(*distribution)
        each += weights["encoder_penalty_weight"] * moved
        is_class = tf.cast(is_class, each.dtype)
        each = tf.reduce_mean(each, axis=-1) * is_class
        return tf.reduce_sum(each) / tf.maximum(tf.reduce_sum(is_class), 1)

    def seed_in(self, buffers):
        """Return the name and the value of the seed in `buffers`.

        Args:
            buffers: Dictionary of non-trainable state that differs from the
                network's own, by its number.
        """
        variables = self.non_trainable_variables
        index = [v is self.noise.state for v in variables].index(True)
        return str(index), buffers.get(str(index), self.noise.state.value)

    def get_config(self):
        return {
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "ways": self.ways,
            "latent_size": self.latent_size,
            "seed": self.seed,
            **self.penalty_weights,
        }


class _Penalty(keras.regularizers.Regularizer):
    """L2, and how far rows are from being orthogonal.

    The second is the mean of `(C - I)^2`, where `C` has the cosines between
    the rows of a kernel.
    """

    def __init__(self, l2_weight, orthogonality_weight=0.0):
        self.l2_weight = l2_weight
        self.orthogonality_weight = orthogonality_weight

    def __call__(self, kernel):
        kernel = tf.convert_to_tensor(kernel)
        penalty = self.l2_weight * tf.reduce_sum(tf.square(kernel))
        if self.orthogonality_weight:
            rows = tf.math.l2_normalize(kernel, axis=1)
            cosines = tf.matmul(rows, rows, transpose_b=True)
            identity = tf.eye(kernel.shape[0], dtype=kernel.dtype)
            penalty += self.orthogonality_weight * tf.reduce_mean(
                tf.square(cosines - identity)
            )
        return penalty
