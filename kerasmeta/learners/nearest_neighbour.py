"""The nearest support example."""

import keras
import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops import squared_distances
from kerasmeta.ops.class_members import class_members


@keras.saving.register_keras_serializable(package="kerasmeta")
class NearestNeighbour(EmbeddingLearner):
    """Classifies a query as its nearest support example.

    The simplest baseline over a frozen, pre-trained backbone, and the best one
    where a class has several clusters that a mean would miss. With one shot it
    is a prototypical network. With `f` the backbone and `S_n` the support
    examples of class `n`,

    `logits_n = -min of ||f(query) - f(x)||^2 over S_n`

    Reference: Cover and Hart, 1967, "Nearest neighbor pattern classification",
    IEEE Transactions on Information Theory.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=4)
    >>> backbone.trainable = False
    >>> learner = km.learners.NearestNeighbour(backbone)
    >>> x = np.random.default_rng(0).normal(size=(6, 28, 28, 1))
    >>> state = learner.adapt(x, np.array([0, 1, 2, 0, 1, 2]))
    >>> learner.predict_query(state, x[:2]).shape
    TensorShape([2, 3])
    """

    def fit_head(self, embeddings, labels, ways, mask=None):
        members = class_members(labels, ways, mask)
        return {"embeddings": embeddings, "members": members}

    def apply_head(self, state, embeddings):
        distances = squared_distances(embeddings, state["embeddings"])
        distances = tf.where(
            state["members"][:, None], distances[..., None], distances.dtype.max
        )  # (T, Q, S, N)
        return -tf.reduce_min(distances, axis=2)
