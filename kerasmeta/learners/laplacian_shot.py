"""LaplacianShot: neighbouring queries get the same class."""

import keras
import tensorflow as tf

from kerasmeta.learners.transductive_learner import TransductiveLearner
from kerasmeta.ops import repeat
from kerasmeta.ops import squared_distances
from kerasmeta.ops.soft_members import class_mask
from kerasmeta.ops.soft_members import class_softmax
from kerasmeta.ops.soft_members import member_means
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class LaplacianShot(TransductiveLearner):
    """Nearest prototypes, agreed on by neighbouring queries. Transductive.

    Use it where classes are not round, and queries form chains and clusters
    that a prototype alone does not see. With normalized embeddings `z`,
    prototypes `c_n` and `w_qp = 1` where query `p` is one of the nearest
    `neighbours` of query `q` (else 0), it begins with
    `y_q = softmax(-||z_q - c_n||^2)` and repeats, for all queries at once,

    `y_q <- softmax over n of (-||z_q - c_n||^2 + weight * sum of w_qp y_pn)`

    which are the paper's bound updates. The logits are those of the last step.
    Prototypes are the class means: the authors' optional rectification is left
    out. Their code counts a query among its own nearest neighbours; here
    `neighbours` are others, so that its `knn` of 3 is `neighbours=2`.

    Reference: Ziko, Dolz, Granger and Ben Ayed, 2020, "Laplacian Regularized
    Few-Shot Learning", arXiv:2006.15486.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        neighbours: Number of neighbours of a query.
        weight: How much neighbours count; choose it on validation classes.
        steps: Number of steps.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or a number is not
            positive.

    Example:

    >>> inputs = keras.Input((4,))
    >>> learner = km.learners.LaplacianShot(keras.Model(inputs, inputs))
    >>> x = np.random.default_rng(0).normal(size=(6, 4))
    >>> state = learner.adapt(x, np.array([0, 1, 2, 0, 1, 2]))
    >>> learner.predict_query(state, x[:2]).shape
    TensorShape([2, 3])
    """

    def __init__(
        self, backbone, ways=None, neighbours=3, weight=0.7, steps=20, **kwargs
    ):
        super().__init__(backbone, ways, **kwargs)
        self.neighbours = check_positive_int("neighbours", neighbours)
        self.weight = check_positive_number("weight", weight)
        self.steps = check_positive_int("steps", steps)

    def classify(self, support, members, query, is_query):
        is_class = class_mask(members)
        support = tf.math.l2_normalize(support, axis=-1)
        query = tf.math.l2_normalize(query, axis=-1)
        prototypes = member_means(members, support)
        alone = -squared_distances(query, prototypes)  # (T, Q, N)
        affinity = self.weight * self._affinity(query, is_query)

        def agree(logits):
            shares = class_softmax(logits, is_class)
            return alone + tf.matmul(affinity, shares)

        return repeat(agree, self.steps, alone)

    def _affinity(self, query, is_query):
        """Return one where a query is a neighbour of another, `[T, Q, Q]`."""
        count = tf.shape(query)[1]
        closeness = -squared_distances(query, query)
        is_other = 1 - tf.eye(count, dtype=query.dtype)
        is_candidate = tf.transpose(is_query, [0, 2, 1]) * is_other
        lowest = closeness.dtype.min
        closeness = tf.where(is_candidate > 0, closeness, lowest)
        nearest = tf.math.top_k(closeness, tf.minimum(self.neighbours, count))
        # Fewer where a task has fewer other queries.
        is_near = tf.cast(nearest.values > lowest, query.dtype)[..., None]
        chosen = tf.one_hot(nearest.indices, count, dtype=query.dtype)
        return tf.reduce_sum(chosen * is_near, axis=-2)

    def get_config(self):
        return {
            **super().get_config(),
            "neighbours": self.neighbours,
            "weight": self.weight,
            "steps": self.steps,
        }
