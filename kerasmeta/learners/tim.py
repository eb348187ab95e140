"""TIM: transductive information maximization."""

import keras
import tensorflow as tf

from kerasmeta.learners.transductive_learner import TransductiveLearner
from kerasmeta.ops import repeat
from kerasmeta.ops import squared_distances
from kerasmeta.ops.absent_classes import rule_out
from kerasmeta.ops.soft_members import class_mask
from kerasmeta.ops.soft_members import class_softmax
from kerasmeta.ops.soft_members import member_means
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class TIM(TransductiveLearner):
    """Prototypes that tell most about the queries. Transductive.

    Use it where queries are many and classes about equally frequent among
    them, which it favours. With normalized embeddings `z` and

    `p_in = softmax over n of -temperature / 2 * ||z_i - c_n||^2`

    the prototypes `c` begin as class means of the support set, and minimise

    `support_weight * cross-entropy of the support set
     - H(mean of p over queries) + entropy_weight * mean of H(p) over queries`

    This is the authors' fast solver, TIM-ADM, which alternates two formulas and
    has no learning rate: labels `q` of the queries, and prototypes for them.

    Reference: Boudiaf et al., 2020, "Transductive Information Maximization For
    Few-Shot Learning", arXiv:2008.11297, section 2.3.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        steps: Number of steps.
        temperature: What distances are multiplied by, twice.
        support_weight: Weight of the support set.
        entropy_weight: Weight of the uncertainty about each query.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, or a number is not
            positive.

    Example:

    >>> inputs = keras.Input((4,))
    >>> learner = km.learners.TIM(keras.Model(inputs, inputs))
    >>> x = np.random.default_rng(0).normal(size=(6, 4))
    >>> state = learner.adapt(x, np.array([0, 1, 2, 0, 1, 2]))
    >>> learner.predict_query(state, x[:2]).shape
    TensorShape([2, 3])
    """

    def __init__(
        self,
        backbone,
        ways=None,
        steps=150,
        temperature=15.0,
        support_weight=0.1,
        entropy_weight=0.1,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        self.steps = check_positive_int("steps", steps)
        self.temperature = check_positive_number("temperature", temperature)
        self.support_weight = check_positive_number(
            "support_weight", support_weight
        )
        self.entropy_weight = check_positive_number(
            "entropy_weight", entropy_weight
        )

    def classify(self, support, members, query, is_query):
        is_class = class_mask(members)
        support = tf.math.l2_normalize(support, axis=-1)
        query = tf.math.l2_normalize(query, axis=-1)
        examples = tf.concat([support, query], axis=1)  # (T, S + Q, D)
        is_support = tf.reduce_sum(members, axis=-1, keepdims=True)
        weights = self._weights(is_support, is_query)  # (T, S + Q, 1)
        size = tf.shape(support)[1]

        def step(prototypes):
            logits = rule_out(self._logits(examples, prototypes), is_class > 0)
            labels = self._label(logits[:, size:], is_class, is_query)
            targets = tf.concat([members, labels], axis=1)
            shares = class_softmax(logits, is_class) * weights
            return _fit(prototypes, examples, targets * weights, shares)

        prototypes = member_means(members, support)
        prototypes = repeat(step, self.steps, prototypes)
        return self._logits(query, prototypes)

    def _logits(self, features, prototypes):
        distances = squared_distances(features, prototypes)
        return -self.temperature / 2 * distances

    def _weights(self, is_support, is_query):
        """Return how much each example counts for the prototypes."""
        support_weight = self.support_weight / (1 + self.entropy_weight)
        sizes = [
            tf.reduce_sum(one, axis=1, keepdims=True)
            for one in (is_support, is_query)
        ]
        share = tf.math.divide_no_nan(*sizes)
        return tf.concat([support_weight * is_support, share * is_query], 1)

    def _label(self, logits, is_class, is_query):
        """Return soft labels of queries, which balance the classes.

        `q_in ~ p_in^(1 + a) / sqrt(sum over i of p_in^(1 + a))`
        """
        powers = (1 + self.entropy_weight) * tf.nn.log_softmax(logits)
        real = tf.where(is_query > 0, powers, powers.dtype.min)
        totals = tf.reduce_logsumexp(real, axis=1, keepdims=True)
        return class_softmax(powers - totals / 2, is_class)

    def get_config(self):
        return {
            **super().get_config(),
            "steps": self.steps,
            "temperature": self.temperature,
            "support_weight": self.support_weight,
            "entropy_weight": self.entropy_weight,
        }


def _fit(prototypes, examples, targets, shares):
    """Return prototypes at which the bound of the cross-entropy is least.

    `c_n = (sum of t_in z_i + p_in (c_n - z_i)) / sum of t_in`
    """
    sums = tf.matmul(targets - shares, examples, transpose_a=True)
    sums += tf.reduce_sum(shares, axis=1)[..., None] * prototypes
    return tf.math.divide_no_nan(
        sums, tf.reduce_sum(targets, axis=1)[..., None]
    )
