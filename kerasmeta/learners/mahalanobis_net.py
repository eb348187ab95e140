"""Classes as Gaussians: the classifier of Simple CNAPS."""

import keras
import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops import class_covariances
from kerasmeta.ops import class_prototypes
from kerasmeta.ops.linear_systems import cholesky
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class MahalanobisNet(EmbeddingLearner):
    """The classifier of Simple CNAPS: Mahalanobis distances to class means.

    Use it with several shots, where classes differ in how far, and in which
    directions, they spread: a prototypical network that measures distances in
    the units of each class. With `f` the backbone, `c_n` the mean of `f(x)`
    over the support examples of class `n` and `Q_n` their covariance,
    regularised by that of the task and the identity as
    `km.ops.class_covariances` says,

    `logits_n = -(f(query) - c_n)^T Q_n^-1 (f(query) - c_n) / 2`

    It has nothing to learn but the backbone. It is the classifier only: Simple
    CNAPS also adapts its backbone to the task, which this does not.

    Each class of a task has a `D x D` matrix that is factorised, so keep
    embeddings short, some hundred numbers. What its code computes has no `/ 2`;
    this is the paper's text.

    Compile it with `SparseCategoricalCrossentropy(from_logits=True)`.

    Reference: Bateni, Goyal, Masrani, Wood and Sigal, 2020, "Improved Few-Shot
    Visual Classification", arXiv:1912.03432.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        ridge: Positive number, how much of the identity is added to
            covariances; the paper's `beta`.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model that returns
            embeddings or `ridge` is not positive.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=8)
    >>> learner = km.learners.MahalanobisNet(backbone)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=3, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    def __init__(self, backbone, ways=None, ridge=1.0, **kwargs):
        super().__init__(backbone, ways, **kwargs)
        self.ridge = check_positive_number("ridge", ridge)

    def fit_head(self, embeddings, labels, ways, mask=None):
        # In single precision the rounding of large variances would drown the
        # small ones. Their Cholesky factors only have the roots of both.
        covariances = class_covariances(
            tf.cast(embeddings, "float64"), labels, ways, mask, self.ridge
        )
        factors = cholesky(covariances)
        return {
            "prototypes": class_prototypes(embeddings, labels, ways, mask),
            "factors": tf.cast(factors, embeddings.dtype),
        }

    def apply_head(self, state, embeddings):
        prototypes, factors = state["prototypes"], state["factors"]
        differences = embeddings[:, None] - prototypes[:, :, None]
        # Half the squared length of what is whitened: never negative, and
        # without the rounding errors of an inverse.
        whitened = tf.linalg.triangular_solve(
            factors, tf.linalg.matrix_transpose(differences)
        )  # (T, N, D, Q)
        distances = 0.5 * tf.reduce_sum(tf.square(whitened), axis=2)
        return -tf.linalg.matrix_transpose(distances)

    def get_config(self):
        return {**super().get_config(), "ridge": self.ridge}
