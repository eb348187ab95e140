"""Relation networks."""

import keras
import tensorflow as tf

from kerasmeta.layers.relation_module import RelationModule
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.learners.network_shapes import output_shape
from kerasmeta.ops import batch_statistics
from kerasmeta.ops.absent_classes import present_classes
from kerasmeta.ops.class_members import class_members


@keras.saving.register_keras_serializable(package="kerasmeta")
class RelationNetwork(EmbeddingLearner):
    """Relation networks: learn the comparison, too.

    Use it where no fixed distance of embeddings says what is alike, for one in
    feature maps: the place where two images agree matters. With `f` the
    backbone, `S_n` the support examples of class `n`, and `g` a
    `km.layers.RelationModule`,

    `logits_n = g(concatenate(mean of f(x) over S_n, f(query)))`,
    `score_n = sigmoid(logits_n)`

    The backbone returns feature maps, as in the paper, of at least 4 pixels
    each way, so end it before it flattens; or vectors, which the module
    compares with dense layers in place of convolutions. The paper's has four
    blocks, of which only the first two end in pooling.

    The paper has the sum in place of the mean. With the same number of shots in
    all tasks they differ by a factor that the first convolution learns; a mean
    looks the same for any number of shots.

    Compile it with `km.losses.RelationMeanSquaredError()`, as in the paper, or
    with `SparseCategoricalCrossentropy(from_logits=True)`.

    In training the module normalizes with the statistics of the pairs of all
    tasks of the meta-batch; padding and absent classes are left out.

    Reference: Sung, Yang, Zhang, Xiang, Torr and Hospedales, 2018, "Learning to
    Compare: Relation Network for Few-Shot Learning", arXiv:1711.06025.

    Args:
        backbone: Built `keras.Model` from examples to feature maps
            `[n, height, width, C]` or embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        filters: Number of filters, or units, of each block of the module.
        hidden_units: Number of units of its dense layer.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or returns anything
            else, or an argument is unsuitable.

    Example:

    >>> conv4 = km.backbones.conv4((28, 28, 1), filters=8)
    >>> maps = conv4.get_layer("block2_relu").output
    >>> learner = km.learners.RelationNetwork(keras.Model(conv4.input, maps))
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=km.losses.RelationMeanSquaredError(),
    ...     metrics=["accuracy"],
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> sorted(history.history)
    ['accuracy', 'loss']
    """

    takes_feature_maps = True

    def __init__(
        self, backbone, ways=None, filters=64, hidden_units=8, **kwargs
    ):
        super().__init__(backbone, ways, **kwargs)
        self.filters = filters
        self.hidden_units = hidden_units
        self.relation_module = RelationModule(
            filters, hidden_units, dtype=self.variable_dtype
        )
        self.relation_module.build(_pair_shape(backbone))

    def fit_head(self, embeddings, labels, ways, mask=None):
        members = class_members(labels, ways, mask, embeddings.dtype)
        counts = tf.reduce_sum(members, axis=1, keepdims=True)
        shares = tf.math.divide_no_nan(members, counts)
        return {
            "means": tf.einsum("tsn,ts...->tn...", shares, embeddings),
            "is_class": present_classes(labels, ways, mask),
        }

    def apply_head(self, state, embeddings, mask=None, training=False):
        pairs = _pair(state["means"], embeddings)  # (T, Q, N, ..., 2 C)
        shape = tf.shape(pairs)[:3]
        is_real = tf.broadcast_to(state["is_class"][:, None], shape)
        if mask is not None:
            is_real &= tf.cast(mask, "bool")[..., None]
        with batch_statistics(None, tf.reshape(is_real, [-1])):
            logits = self.relation_module(
                tf.reshape(pairs, [-1, *pairs.shape[3:]]), training=training
            )
        return tf.reshape(logits, shape)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "hidden_units": self.hidden_units,
        }


def _pair(classes, queries):
    """Concatenate each class with each query, along the last axis."""
    shape = tf.concat([tf.shape(queries)[:2], tf.shape(classes)[1:]], axis=0)
    pairs = tf.concat(
        [
            tf.broadcast_to(classes[:, None], shape),
            tf.broadcast_to(queries[:, :, None], shape),
        ],
        axis=-1,
    )
    *axes, channels = queries.shape[2:]
    pairs.set_shape([None, None, None, *axes, 2 * channels])
    return pairs


def _pair_shape(backbone):
    """Return the shape of a batch of pairs of what the backbone returns."""
    shape = output_shape(backbone)
    is_known = isinstance(shape, tuple) and all(
        isinstance(size, int) for size in shape[1:]
    )
    if not is_known:
        raise ValueError(
            "`backbone` must return one tensor of known size: feature maps "
            "[n, height, width, C] or embeddings [n, D]. Give it an input of "
            "fixed size. "
            f"Received: a backbone with outputs of shape {shape}"
        )
    return (*shape[:-1], 2 * shape[-1])
