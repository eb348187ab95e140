"""Prototypes refined by unlabelled examples: soft k-means."""

import math

import keras
import tensorflow as tf

from kerasmeta.learners.checks import check_labelled
from kerasmeta.learners.transductive_learner import TransductiveLearner
from kerasmeta.ops import repeat
from kerasmeta.ops import squared_distances
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.ops.soft_members import class_mask
from kerasmeta.ops.soft_members import member_means
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class SoftKMeans(TransductiveLearner):
    """Prototypical networks, refined by soft k-means.

    Use it to let unlabelled examples `u` help: those of the support set, whose
    label is -1, and the queries of a task. With `transductive=False` only the
    first, so that a query is classified without the others, as in the paper.
    With prototypes `c_n`, at first the means of the embedded support examples
    `S_n` of a class, each step weighs

    `z_un = softmax over n of -||f(u) - c_n||^2`,

    `c_n = (sum of f(x) over S_n + sum of z_un f(u)) / (|S_n| + sum of z_un)`

    and the logits are `-||f(query) - c_n||^2` in the end. With
    `distractors=True` there is one more cluster, at zero, which takes
    unlabelled examples of none of the classes. Its spread `r` is learned by
    `fit`, and it competes with

    `-||f(u)||^2 / r^2 - log r`

    so that a wide one takes the examples whose squared distance to each
    prototype is more than `log r`. Queries of none of the classes have the
    label -1, too: losses and metrics leave them out.

    Reference: Ren et al., 2018, "Meta-Learning for Semi-Supervised Few-Shot
    Classification", arXiv:1803.00676.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        steps: Number of refinements; the paper's is 1.
        transductive: Whether queries are among the unlabelled examples.
        distractors: Whether there is a cluster for none of the classes.
        initial_spread: Positive number, where its spread begins; the default
            is that of the authors' code.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or `steps` is not a
            positive integer or `initial_spread` no positive number.

    Example:

    >>> inputs = keras.Input((4,))
    >>> learner = km.learners.SoftKMeans(keras.Model(inputs, inputs))
    >>> x = np.random.default_rng(0).normal(size=(6, 4))
    >>> state = learner.adapt(x, np.array([0, 1, 2, 0, 1, 2]))
    >>> learner.predict_query(state, x[:2]).shape
    TensorShape([2, 3])

    Four unlabelled examples, and queries that do not see each other:

    >>> learner = km.learners.SoftKMeans(learner.backbone, transductive=False)
    >>> state = learner.adapt(x, np.array([0, 1, -1, -1, -1, -1]))
    >>> learner.predict_query(state, x[:2]).shape
    TensorShape([2, 2])
    """

    def __init__(
        self,
        backbone,
        ways=None,
        steps=1,
        distractors=False,
        initial_spread=100.0,
        transductive=True,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        self.steps = check_positive_int("steps", steps)
        self.transductive = bool(transductive)
        self.distractors = bool(distractors)
        self.initial_spread = check_positive_number(
            "initial_spread", initial_spread
        )
        if self.distractors:
            self.log_spread = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(
                    math.log(self.initial_spread)
                ),
                name="log_spread",
            )

    def fit_head(self, embeddings, labels, ways, mask=None):
        unlabelled = labels < 0
        if mask is not None:
            unlabelled &= tf.cast(mask, "bool")
        return {
            **super().fit_head(embeddings, labels, ways, mask),
            "unlabelled": tf.cast(unlabelled, embeddings.dtype)[..., None],
        }

    def classify(self, support, members, query, is_query, unlabelled):
        is_class = class_mask(members)
        examples = support
        if self.transductive:
            examples = tf.concat([support, query], axis=1)
            unlabelled = tf.concat([unlabelled, is_query], axis=1)
            members = tf.pad(members, [[0, 0], [0, tf.shape(query)[1]], [0, 0]])

        def refine(prototypes):
            shares = self._assign(examples, prototypes, is_class) * unlabelled
            return member_means(members + shares, examples)

        prototypes = member_means(members, examples)
        prototypes = repeat(refine, self.steps, prototypes)
        return -squared_distances(query, prototypes)

    def _assign(self, examples, prototypes, is_class):
        """Return to which share an example belongs to a class, `[T, n, N]`."""
        logits = -squared_distances(examples, prototypes)
        logits = rule_out(logits, is_class > 0)
        if self.distractors:
            norms = tf.reduce_sum(tf.square(examples), axis=-1, keepdims=True)
            log_spread = tf.convert_to_tensor(self.log_spread)
            none = -norms * tf.exp(-2 * log_spread) - log_spread
            logits = tf.concat([logits, none], axis=-1)
        shares = tf.nn.softmax(logits)[..., : tf.shape(is_class)[-1]]
        return shares * is_class

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        labelled = check_labelled(support_y)
        super().check_task(support_x, labelled, query_y, ways)

    def get_config(self):
        return {
            **super().get_config(),
            "steps": self.steps,
            "distractors": self.distractors,
            "initial_spread": self.initial_spread,
            "transductive": self.transductive,
        }
