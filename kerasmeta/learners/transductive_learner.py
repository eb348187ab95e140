"""The base of learners that see all queries of a task at once."""

import abc

import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops.class_members import class_members


def several_queries(is_query):
    """Return which tasks have more than one query, bool `[T, 1, 1]`.

    One alone is its own mean, which says nothing of the others.

    Args:
        is_query: `[T, Q, 1]`, one for real queries and zero for padding.
    """
    return tf.reduce_sum(is_query, axis=1, keepdims=True) > 1


class TransductiveLearner(EmbeddingLearner, abc.ABC):
    """Classifies all queries of a task together, over embeddings.

    Transductive inference: what the queries look like helps to classify them.
    Compare its accuracies with those of transductive learners only, and note
    that they depend on the number of queries. `predict_query`, an adapted model
    and a SavedModel see the queries that one call hands them, so `predict` of
    an adapted model needs a `batch_size` of at least as many.

    A subclass writes `classify`, for a whole meta-batch. Queries that are
    padding are zeros there, and count as little as the subclass lets them: all
    sums over queries must be weighted by `is_query`. What else its `fit_head`
    puts into the state, `classify` gets by name.

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
        members = class_members(labels, ways, mask, embeddings.dtype)
        return {"support": embeddings, "members": members}

    def apply_head(self, state, embeddings, mask=None):
        is_query = tf.ones_like(embeddings[..., :1])
        if mask is not None:
            is_query = tf.cast(mask, embeddings.dtype)[..., None]
            zeros = tf.zeros_like(embeddings)
            embeddings = tf.where(is_query > 0, embeddings, zeros)
        return self.classify(**state, query=embeddings, is_query=is_query)
