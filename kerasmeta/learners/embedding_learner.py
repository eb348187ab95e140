"""The base of learners that compare embeddings."""

import abc
import inspect

import keras
import tensorflow as tf

from kerasmeta.learners.checks import check_classes
from kerasmeta.learners.checks import check_examples
from kerasmeta.learners.meta_learner import MetaLearner
from kerasmeta.learners.network_shapes import check_built
from kerasmeta.learners.network_shapes import embedding_size
from kerasmeta.learners.network_shapes import takes_strings
from kerasmeta.ops import batch_statistics
from kerasmeta.ops.absent_classes import present_classes
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.ops.zero_padding import zero_padding
from kerasmeta.utils import check_positive_int


class EmbeddingLearner(MetaLearner, abc.ABC):
    """Embeds examples with a backbone and classifies with a head per task.

    A subclass writes the head: `fit_head` and `apply_head`, for a whole
    meta-batch, with a leading task axis `T`. All examples of a meta-batch are
    embedded in one call of the backbone, and come to the head in the learner's
    own precision, whatever the backbone computes in.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`; a
            head of a class with `takes_feature_maps = True` may get
            `[n, height, width, C]` instead, and has these axes in place of `D`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch. `jit_compile=True` needs it.
    """

    takes_feature_maps = False

    def __init__(self, backbone, ways=None, **kwargs):
        super().__init__(**kwargs)
        check_built(backbone, "backbone")
        if not self.takes_feature_maps and not takes_strings(backbone):
            embedding_size(backbone, "backbone")
        self.backbone = backbone
        self.ways = (
            None if ways is None else check_positive_int("ways", ways, 2)
        )
        self.supports_jit = ways is not None
        self.built = True

    @abc.abstractmethod
    def fit_head(self, embeddings, labels, ways, mask=None):
        """Learn heads from embedded support sets.

        A head that behaves differently in training takes an argument
        `training`, too, here and in `apply_head`.

        Args:
            embeddings: `[T, S, D]`.
            labels: `[T, S]`, integers.
            ways: Number of classes, `N`.
            mask: Optional `[T, S]`, true for the examples that count.

        Returns:
            The state, a nest of tensors with a leading task axis.
        """

    @abc.abstractmethod
    def apply_head(self, state, embeddings):
        """Return logits `[T, Q, N]` for embedded queries `[T, Q, D]`.

        A head that looks at several queries at once, as in batch statistics,
        takes an argument `mask`, too: `[T, Q]`, true for the queries that
        count, or `None`.
        """

    def adapt(self, support_x, support_y, support_mask=None, training=False):
        support = zero_padding((support_x, support_y), support_mask)
        support_x, support_y = support
        embeddings = self._embed(support_x, training)
        targets = self._targets(support_y, rank=1)
        mask = None if support_mask is None else support_mask[None]
        state = self._fit(embeddings[None], targets[None], mask, training)
        return tf.nest.map_structure(lambda t: t[0], state)

    def predict_query(self, state, query_x, training=False):
        embeddings = self._embed(query_x, training)
        states = tf.nest.map_structure(lambda t: t[None], state)
        return self._apply(states, embeddings[None], None, training)[0]

    def solve(self, episodes, training=False):
        targets = self._targets(episodes["support_y"], rank=2)
        mask = episodes.get("support_mask")
        support, query = self._embed_all(episodes, training)
        state = self._fit(support, targets, mask, training)
        return self._apply(state, query, episodes.get("query_mask"), training)

    def _targets(self, support_y, rank):
        """Return what `_fit` learns from: labels with `rank` axes."""
        return as_labels(support_y, rank)

    def _fit(self, embeddings, labels, mask, training):
        """Fit heads, and note which classes have any support example."""
        ways = self._count_ways(labels)
        head = _call_with(
            self.fit_head, embeddings, labels, ways, mask, training=training
        )
        return {"head": head, "is_class": present_classes(labels, ways, mask)}

    def _apply(self, state, embeddings, mask, training):
        """Apply heads; a class without support has no chance."""
        logits = _call_with(
            self.apply_head,
            state["head"],
            embeddings,
            mask=mask,
            training=training,
        )  # (T, Q, N)
        return rule_out(logits, state["is_class"][:, None])

    def _embed(self, x, training):
        embeddings = self.backbone(x, training=training)
        # Distances overflow in half precision.
        return tf.cast(embeddings, self.variable_dtype)

    def _embed_all(self, episodes, training):
        """Embed all examples of a meta-batch in one call."""
        support_x, query_x = episodes["support_x"], episodes["query_x"]
        both = tf.nest.map_structure(
            lambda s, q: tf.concat([s, q], axis=1), support_x, query_x
        )
        shape = tf.shape(tf.nest.flatten(both)[0])
        flat = tf.nest.map_structure(
            lambda t: tf.reshape(
                t, tf.concat([[shape[0] * shape[1]], tf.shape(t)[2:]], axis=0)
            ),
            both,
        )
        mask = real_examples(episodes)
        mask = None if mask is None else tf.reshape(mask, [-1])
        with batch_statistics(None, mask):
            flat = self._embed(flat, training)
        embeddings = tf.reshape(
            flat, tf.concat([shape[:2], tf.shape(flat)[1:]], axis=0)
        )
        embeddings.set_shape([None, None, *flat.shape[1:]])
        support_size = tf.shape(tf.nest.flatten(support_x)[0])[1]
        return embeddings[:, :support_size], embeddings[:, support_size:]

    def _count_ways(self, labels):
        return self.ways or tf.reduce_max(labels) + 1

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        check_examples(self.backbone, support_x)
        check_classes(support_y, query_y, self.ways)

    def get_config(self):
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "ways": self.ways,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        config["backbone"] = keras.saving.deserialize_keras_object(
            config["backbone"]
        )
        return cls(**config)


def _call_with(method, *args, **options):
    """Call a method with those options that it takes, as Keras does `call`."""
    takes = inspect.signature(method).parameters
    return method(*args, **{k: v for k, v in options.items() if k in takes})


def real_examples(episodes):
    """Return which examples of a meta-batch are real, or `None` if all are.

    Args:
        episodes: Dictionary of a meta-batch.

    Returns:
        `None`, or bool `[T, S + Q]`: support examples, then queries.
    """
    masks = [episodes.get(f"{name}_mask") for name in ("support", "query")]
    if masks == [None, None]:
        return None
    examples = (episodes["support_x"], episodes["query_x"])
    masks = [
        tf.ones(tf.shape(tf.nest.flatten(x)[0])[:2], "bool")
        if mask is None
        else tf.cast(mask, "bool")
        for x, mask in zip(examples, masks)
    ]
    return tf.concat(masks, axis=1)


def as_labels(labels, rank):
    """Return integer labels without a last axis of one.

    Args:
        labels: Labels, of any dtype.
        rank: Number of axes without that last one.
    """
    labels = tf.cast(labels, "int32")
    flat = tf.reshape(labels, tf.shape(labels)[:rank])
    # `fit` may have forgotten the number of axes.
    flat.set_shape(labels.shape[:rank])
    return flat
