"""Gaussian prototypical networks."""

import keras
import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops import safe_sqrt
from kerasmeta.ops.class_members import class_members
from kerasmeta.utils import check_choice


@keras.saving.register_keras_serializable(package="kerasmeta")
class GaussianPrototypes(EmbeddingLearner):
    """Gaussian prototypical networks: examples say how sure they are.

    Use it where support examples differ in quality, such as blurred or wrongly
    cropped ones: each counts in the mean of its class by how sure the backbone
    is of it. The backbone returns, beside an embedding `x`, numbers `r`, of
    which an inverse variance is made, `s = 1 + softplus(r)`. Over the support
    examples of class `n`, with products and quotients number by number,

    `S_n = sum of s`, `c_n = (sum of s x) / S_n`,
    `logits_n = -sqrt(sum_d S_n (x_query - c_n)_d^2)`

    Distances are not squared, as in the paper's code. What the backbone says of
    the variance of a query is not used.

    Compile it with `SparseCategoricalCrossentropy(from_logits=True)`.

    Reference: Fort, 2017, "Gaussian Prototypical Networks for Few-Shot Learning
    on Omniglot", arXiv:1708.02735.

    Args:
        backbone: Built `keras.Model` from examples to `[n, D + 1]`, the last
            number of which is `r`, or, with `covariance="diagonal"`, to
            `[n, 2 D]`, the second half of which is.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        covariance: `"radius"`, the same variance in all directions, or
            `"diagonal"`, one for each number of an embedding.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or its outputs are
            too few or cannot be halved, or `covariance` is unknown.

    Example:

    >>> conv4 = km.backbones.conv4((28, 28, 1), filters=8)
    >>> outputs = keras.layers.Dense(16 + 1)(conv4.output)
    >>> backbone = keras.Model(conv4.input, outputs)
    >>> learner = km.learners.GaussianPrototypes(backbone)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=2, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    def __init__(self, backbone, ways=None, covariance="radius", **kwargs):
        super().__init__(backbone, ways, **kwargs)
        self.covariance = check_choice(
            "covariance", covariance, ("radius", "diagonal")
        )
        self._sizes = _split_sizes(embedding_size(backbone), covariance)

    def fit_head(self, embeddings, labels, ways, mask=None):
        positions, raw = tf.split(embeddings, self._sizes, axis=-1)
        certainty = 1.0 + tf.math.softplus(raw)  # (T, S, 1) or (T, S, D)
        members = class_members(labels, ways, mask, embeddings.dtype)
        total = tf.matmul(members, certainty, transpose_a=True)
        sums = tf.matmul(members, certainty * positions, transpose_a=True)
        return {
            "prototypes": tf.math.divide_no_nan(sums, total),
            "inverse_variances": total,
        }

    def apply_head(self, state, embeddings):
        positions, _ = tf.split(embeddings, self._sizes, axis=-1)
        # The difference itself: near a prototype, the root would magnify the
        # rounding errors of a distance from products.
        differences = positions[:, :, None] - state["prototypes"][:, None]
        squares = state["inverse_variances"][:, None] * tf.square(differences)
        return -safe_sqrt(tf.reduce_sum(squares, axis=-1))

    def get_config(self):
        return {**super().get_config(), "covariance": self.covariance}


def _split_sizes(size, covariance):
    """Return how many outputs are the embedding, and how many its variance."""
    if covariance == "radius" and size > 1:
        return [size - 1, 1]
    if covariance == "diagonal" and size % 2 == 0:
        return [size // 2, size // 2]
    raise ValueError(
        'With `covariance="radius"` the backbone must return embeddings and '
        'one number more, [n, D + 1]; with `"diagonal"`, as many numbers more '
        f"as an embedding has, [n, 2 D]. Received: outputs of size {size}, "
        f"covariance={covariance!r}"
    )
