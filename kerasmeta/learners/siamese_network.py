"""Siamese networks."""

import keras
import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.ops.class_members import class_members


@keras.saving.register_keras_serializable(package="kerasmeta")
class SiameseNetwork(EmbeddingLearner):
    """Siamese networks: are these two of the same class?

    Use it for verification, where a calibrated answer to that question is
    wanted, or classes that a task does not have may occur. With `f` the
    backbone, a pair of examples is of the same class with the probability

    `p(x, x') = sigmoid(sum_d w_d |f(x)_d - f(x')_d| + b)`

    whose weights are learned. A query belongs to the class to whose support
    examples `S_n` it is most similar in the mean,

    `p_n = mean of p(query, x) over S_n`, `logits_n = log(p_n / (1 - p_n))`

    so that `sigmoid(logits_n)` is that probability.

    Compile it with `km.losses.RelationBinaryCrossentropy()`, which with one
    shot is the paper's loss of pairs, or with
    `SparseCategoricalCrossentropy(from_logits=True)`.

    Reference: Koch, Zemel and Salakhutdinov, 2015, "Siamese Neural Networks for
    One-shot Image Recognition". Its last layer of `f` has sigmoid units; its
    weights `w` begin as here.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model that returns
            embeddings.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.SiameseNetwork(backbone)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=km.losses.RelationBinaryCrossentropy(),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    def __init__(self, backbone, ways=None, **kwargs):
        super().__init__(backbone, ways, **kwargs)
        self.similarity = keras.layers.Dense(
            1,
            kernel_initializer=keras.initializers.RandomNormal(0.0, 0.2),
            bias_initializer=keras.initializers.RandomNormal(0.5, 0.01),
            dtype=self.variable_dtype,
            name="similarity",
        )
        self.similarity.build((None, embedding_size(backbone)))

    def fit_head(self, embeddings, labels, ways, mask=None):
        members = class_members(labels, ways, mask)
        return {"embeddings": embeddings, "members": members}  # (T, S, N)

    def apply_head(self, state, embeddings):
        support, members = state["embeddings"], state["members"]
        distances = tf.abs(embeddings[:, :, None] - support[:, None])
        logits = self.similarity(distances)  # (T, Q, S, 1)
        # Both in logarithms: a probability near one would leave nothing to
        # subtract from it. The number of shots cancels.
        same = _log_sum(tf.math.log_sigmoid(logits), members)
        other = _log_sum(tf.math.log_sigmoid(-logits), members)
        return same - other


def _log_sum(log_probabilities, members):
    """Return the logarithm of the sum over the members of each class."""
    terms = tf.where(
        members[:, None], log_probabilities, log_probabilities.dtype.min
    )
    return tf.reduce_logsumexp(terms, axis=2)
