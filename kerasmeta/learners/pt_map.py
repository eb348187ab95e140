"""PT-MAP: power transform and optimal transport."""

import keras
import tensorflow as tf

from kerasmeta.learners.transductive_learner import TransductiveLearner
from kerasmeta.learners.transductive_learner import several_queries
from kerasmeta.ops import repeat
from kerasmeta.ops import sinkhorn
from kerasmeta.ops import squared_distances
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.ops.soft_members import class_mask
from kerasmeta.ops.soft_members import mean_of
from kerasmeta.ops.soft_members import member_means
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number

_SMALL = 1e-6  # The paper's, before the power.


@keras.saving.register_keras_serializable(package="kerasmeta")
class PTMAP(TransductiveLearner):
    """Balanced assignment of queries to prototypes. Transductive.

    Use it where each class has *the same number of queries*, as in the usual
    benchmarks: it assumes so, and is then hard to beat. Elsewhere it suffers.

    Embeddings become `(f + 1e-6)^power`, unit vectors, which are centered,
    support and queries each by their own mean, and unit vectors again.
    Prototypes `c_n` begin as class means of the support set; each step finds
    the plan `M` that assigns queries to classes in equal numbers,

    minimal `sum of M_qn ||z_q - c_n||^2 - H(M) / sharpness`,

    by Sinkhorn's algorithm, and moves `c_n` by `rate` of the way to the mean of
    the support examples of the class and the queries weighted by `M`. The
    logits are `log M` in the end.

    A query asked alone is centered by the mean of the support set, and its row
    of `M` is the softmax of `-sharpness ||z_q - c_n||^2`: centered by itself it
    would be zero, and equal numbers of one query are nothing but equal shares.

    The features must be those of a ReLU: negative ones count as zero.

    Reference: Hu, Gripon and Pateux, 2021, "Leveraging the Feature Distribution
    in Transfer-based Few-Shot Learning", arXiv:2006.03806.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        power: Exponent of the power transform.
        sharpness: What distances are multiplied by; one over the weight of the
            entropy.
        rate: How far prototypes move in a step.
        steps: Number of steps.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or a number is not
            positive.

    Example:

    >>> inputs = keras.Input((4,))
    >>> learner = km.learners.PTMAP(keras.Model(inputs, inputs), steps=5)
    >>> x = np.random.default_rng(0).uniform(size=(6, 4))
    >>> state = learner.adapt(x, np.array([0, 1, 2, 0, 1, 2]))
    >>> shares = tf.nn.softmax(learner.predict_query(state, x))
    >>> tf.reduce_sum(shares, axis=0).numpy().round(2)
    array([2., 2., 2.], dtype=float32)
    """

    def __init__(
        self,
        backbone,
        ways=None,
        power=0.5,
        sharpness=10.0,
        rate=0.2,
        steps=20,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        self.power = check_positive_number("power", power)
        self.sharpness = check_positive_number("sharpness", sharpness)
        self.rate = check_positive_number("rate", rate)
        self.steps = check_positive_int("steps", steps)

    def classify(self, support, members, query, is_query):
        is_support = tf.reduce_sum(members, axis=-1, keepdims=True)
        is_several = several_queries(is_query)
        support, query = self._transform(support), self._transform(query)
        support_mean = mean_of(support, is_support)
        query_mean = mean_of(query, is_query)
        query_mean = tf.where(is_several, query_mean, support_mean)
        support = tf.math.l2_normalize(support - support_mean, axis=-1)
        query = tf.math.l2_normalize(query - query_mean, axis=-1)
        examples = tf.concat([support, query], axis=1)
        is_class = class_mask(members)
        # The same number of queries for each class of the task.
        columns = is_class * tf.math.divide_no_nan(
            tf.reduce_sum(is_query, axis=1, keepdims=True),
            tf.reduce_sum(is_class, axis=2, keepdims=True),
        )

        def assign(prototypes):
            distances = squared_distances(query, prototypes)
            balanced = sinkhorn(distances, is_query, columns, self.sharpness)
            alone = rule_out(-self.sharpness * distances, is_class > 0)
            return tf.where(is_several, balanced, tf.nn.log_softmax(alone))

        def step(prototypes):
            plan = tf.exp(assign(prototypes)) * is_class * is_query
            means = member_means(tf.concat([members, plan], 1), examples)
            return prototypes + self.rate * (means - prototypes)

        prototypes = member_means(members, support)
        return assign(repeat(step, self.steps, prototypes))

    def _transform(self, features):
        features = tf.pow(tf.nn.relu(features) + _SMALL, self.power)
        return tf.math.l2_normalize(features, axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "power": self.power,
            "sharpness": self.sharpness,
            "rate": self.rate,
            "steps": self.steps,
        }
