"""The base of learners that see all queries of a task at once."""

import abc

import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops.absent_classes import rule_out


class TransductiveLearner(EmbeddingLearner, abc.ABC):
    """Classifies all queries of a task together, over embeddings.

    Transductive inference: what the queries look like helps to classify them.
    Compare its accuracies with those of transductive learners only, and note
    that they depend on the number of queries. `predict_query`, an adapted model
    and a SavedModel see the queries that one call hands them, so `predict` of
    an adapted model needs a `batch_size` of at least as many.

    A subclass writes `classify`, for a whole meta-batch. Queries that are
    padding are zeros there, and count as little as the subclass lets them: all
    sums over queries must be weighted by `is_query`.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
    """

    transductive = True

    @abc.abstractmethod
    def classify(self, support, members, query, is_query):
        """Return logits `[T, Q, N]` of all queries.

        Args:
            support: Embedded support sets, `[T, S, D]`.
            members: `[T, S, N]`: one for the class of a support example, else
                zero; zero throughout for padding.
            query: Embedded queries, `[T, Q, D]`, zero where they are padding.
            is_query: `[T, Q, 1]`, one for real queries and zero for padding.
        """

    def fit_head(self, embeddings, labels, ways, mask=None):
        support = tf.cast(embeddings, self.variable_dtype)
        members = tf.one_hot(labels, ways, dtype=support.dtype)
        if mask is not None:
            members *= tf.cast(mask, support.dtype)[..., None]
        return {"support": support, "members": members}

    def apply_head(self, state, embeddings):
        return self._classify(state, embeddings)

    def solve(self, episodes, training=False):
        support, query = self._embed(episodes, training)
        labels = tf.reshape(
            tf.cast(episodes["support_y"], "int32"), tf.shape(support)[:2]
        )
        state = self._fit(support, labels, episodes.get("support_mask"))
        logits = self._classify(
            state["head"], query, episodes.get("query_mask")
        )
        return rule_out(logits, state["is_class"][:, None])

    def _classify(self, state, embeddings, mask=None):
        query = tf.cast(embeddings, self.variable_dtype)
        is_query = tf.ones_like(query[..., :1])
        if mask is not None:
            is_query = tf.cast(mask, query.dtype)[..., None]
            query = tf.where(is_query > 0, query, tf.zeros_like(query))
        return self.classify(
            state["support"], state["members"], query, is_query
        )
