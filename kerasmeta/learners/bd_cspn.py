"""BD-CSPN: prototypes rectified by confident queries."""

import keras
import tensorflow as tf

from kerasmeta.learners.transductive_learner import TransductiveLearner
from kerasmeta.learners.transductive_learner import several_queries
from kerasmeta.ops import cosine_similarities
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.ops.margins import margins
from kerasmeta.ops.soft_members import class_mask
from kerasmeta.ops.soft_members import mean_of
from kerasmeta.ops.soft_members import member_means
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class BDCSPN(TransductiveLearner):
    """Cosine prototypes, rectified by confident queries. Transductive.

    Cheap, and strong with one shot, where a prototype is a single example. With
    normalized embeddings `z`, and `c_n` the mean of the support examples of
    class `n`:

    1. Queries move by the mean of the support set less that of the queries,
       which takes away what support and queries differ by. It assumes that
       classes are as frequent among queries as in the support set. A query
       asked alone does not move: it would lose all that tells it apart.
    2. Each query gets the class with the largest `cos(z_q, c_n)`; for each
       class, the `pseudo_labels` most confident ones join its support set.
    3. Prototypes become means `sum of w_i z_i` of these sets, where `w` is the
       softmax of `temperature * cos(z_i, c_n)` over the set of the class.

    `logits_n = temperature * cos(z_q, c_n)` with the new prototypes.

    Reference: Liu, Song and Qin, 2020, "Prototype Rectification for Few-Shot
    Learning", arXiv:1911.10713.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        pseudo_labels: Number of queries that may join each class.
        temperature: What cosines are multiplied by.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or a number is not
            positive.

    Example:

    >>> inputs = keras.Input((4,))
    >>> learner = km.learners.BDCSPN(keras.Model(inputs, inputs))
    >>> x = np.random.default_rng(0).normal(size=(6, 4))
    >>> state = learner.adapt(x, np.array([0, 1, 2, 0, 1, 2]))
    >>> learner.predict_query(state, x[:2]).shape
    TensorShape([2, 3])
    """

    def __init__(
        self, backbone, ways=None, pseudo_labels=8, temperature=10.0, **kwargs
    ):
        super().__init__(backbone, ways, **kwargs)
        self.pseudo_labels = check_positive_int("pseudo_labels", pseudo_labels)
        self.temperature = check_positive_number("temperature", temperature)

    def classify(self, support, members, query, is_query):
        is_class = class_mask(members)
        support = tf.math.l2_normalize(support, axis=-1)
        query = tf.math.l2_normalize(query, axis=-1)
        is_support = tf.reduce_sum(members, axis=-1, keepdims=True)
        shift = mean_of(support, is_support) - mean_of(query, is_query)
        query += tf.where(several_queries(is_query), shift, 0.0)

        prototypes = member_means(members, support)
        logits = self._logits(query, prototypes)
        joins = self._confident(logits, is_class, is_query)
        examples = tf.concat([support, query], axis=1)
        # Less the largest possible value, so that no power overflows.
        weights = tf.exp(
            self._logits(examples, prototypes) - self.temperature
        ) * tf.concat([members, joins], axis=1)
        prototypes = member_means(weights, examples)
        return self._logits(query, prototypes)

    def _logits(self, features, prototypes):
        return self.temperature * cosine_similarities(features, prototypes)

    def _confident(self, logits, is_class, is_query):
        """Return which queries join which class, ones and zeros `[T, Q, N]`."""
        logits = rule_out(logits, is_class > 0)
        queries, ways = tf.shape(logits)[1], tf.shape(logits)[2]
        best = tf.argmax(logits, axis=-1)
        is_best = tf.one_hot(best, ways, True, False) & (is_query > 0)
        # Not by probabilities, of which many may round to 1 and be equal.
        ranks = tf.where(is_best, margins(logits)[..., None], logits.dtype.min)
        by_class = tf.transpose(ranks, [0, 2, 1])  # (T, N, Q)
        count = tf.minimum(self.pseudo_labels, queries)
        chosen = tf.math.top_k(by_class, count).indices  # (T, N, count)
        joins = tf.reduce_any(tf.one_hot(chosen, queries, True, False), axis=2)
        joins = tf.transpose(joins, [0, 2, 1]) & is_best
        return tf.cast(joins, logits.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "pseudo_labels": self.pseudo_labels,
            "temperature": self.temperature,
        }
