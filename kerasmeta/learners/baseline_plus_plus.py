"""Baseline++: a cosine head over a pre-trained backbone."""

import keras
import tensorflow as tf

from kerasmeta.learners.fitted_head_learner import FittedHeadLearner
from kerasmeta.ops import class_prototypes
from kerasmeta.ops import safe_sqrt
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class BaselinePlusPlus(FittedHeadLearner):
    """A cosine head, fitted to the support set over a pre-trained backbone.

    Use it in place of `Baseline` where classes are to be compact: it compares
    directions only. Pre-train the backbone with `km.layers.CosineDense`. For a
    task, vectors `w_n` minimise the mean cross-entropy of the support set, with

    `logits_n = scale * cos(w_n, f(x))`

    Only directions matter here, as in the paper's text; its code also learns a
    length for each `w_n`. It begins with random vectors; here they begin as the
    class means of the normalized features, which needs no luck and no seed.
    Each step sees the whole support set, as in `Baseline`.

    Reference: Chen, Liu, Kira, Wang and Huang, 2019, "A Closer Look at Few-shot
    Classification", arXiv:1904.04232.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        steps: Number of gradient steps.
        learning_rate: Rate of a step.
        momentum: Share of the last step that is taken again, in [0, 1).
        weight_decay: Weight of the squared norm of the head, halved.
        scale: What cosines are multiplied by: the authors use 2, and 10 to
            pre-train with more than 200 classes.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or a number is not
            what it should be.

    Example:

    >>> backbone = km.backbones.conv4((28, 28, 1), filters=4)
    >>> backbone.trainable = False
    >>> learner = km.learners.BaselinePlusPlus(backbone, steps=20)
    >>> x = np.random.default_rng(0).normal(size=(6, 28, 28, 1))
    >>> state = learner.adapt(x, np.array([0, 1, 2, 0, 1, 2]))
    >>> learner.predict_query(state, x[:2]).shape
    TensorShape([2, 3])
    """

    def __init__(self, backbone, ways=None, scale=2.0, **kwargs):
        super().__init__(backbone, ways, **kwargs)
        self.scale = check_positive_number("scale", scale)

    # Features are normalized once, and not in each step.

    def fit_head(self, embeddings, labels, ways, mask=None):
        features = tf.math.l2_normalize(embeddings, axis=-1)
        return super().fit_head(features, labels, ways, mask)

    def apply_head(self, state, embeddings):
        features = tf.math.l2_normalize(embeddings, axis=-1)
        return super().apply_head(state, features)

    def initial_head(self, features, labels, ways, mask=None):
        return (class_prototypes(features, labels, ways, mask),)

    def head_logits(self, weights, features):
        directions = tf.math.l2_normalize(weights[0], axis=-1)
        return self.scale * tf.matmul(features, directions, transpose_b=True)

    def head_gradients(self, weights, features, errors):
        vectors = weights[0]  # (T, N, D)
        directions = tf.math.l2_normalize(vectors, axis=-1)
        pull = self.scale * tf.matmul(errors, features, transpose_a=True)
        # Only what turns a vector changes a cosine.
        along = tf.reduce_sum(pull * directions, axis=-1, keepdims=True)
        norms = safe_sqrt(tf.reduce_sum(vectors**2, axis=-1, keepdims=True))
        return (tf.math.divide_no_nan(pull - along * directions, norms),)

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}
