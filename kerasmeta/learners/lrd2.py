"""LRD2: logistic regression on embeddings."""

import math

import keras
import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops import logistic_regression
from kerasmeta.ops.linear_features import append_ones
from kerasmeta.ops.linear_features import full_precision
from kerasmeta.utils.checks import check_positive_int
from kerasmeta.utils.checks import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class LRD2(EmbeddingLearner):
    """LRD2: fit each task by logistic regression on embeddings.

    Use it in place of R2D2 where examples far on the right side of a boundary
    should not move it. With `x_i` the embedded support examples, each with a 1
    appended, Newton's method minimises for each class `n`, against all others,

    `sum_i log(1 + exp(x_i w_n)) - [y_i = n] x_i w_n + penalty / 2 ||w_n||^2`

    and `logits_n = f(query) w_n` are the log-odds of the class. The backbone
    and the penalty (as its logarithm) are learned by the outer loop, through
    the steps.

    The paper derives two classes, and its authors' code solves more one
    against the rest, as here: each problem keeps a size that does not grow
    with the number of classes. With two classes `w_2 = -w_1`, so that a
    softmax counts the evidence twice: it has the log-odds `2 f(query) w_1`.

    Reference: Bertinetto, Henriques, Torr and Vedaldi, 2019, "Meta-learning
    with Differentiable Closed-form Solvers", arXiv:1805.08136.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        newton_steps: Number of steps of Newton's method, from zero, of which
            nothing shortens one that overshoots, as some of a dozen can where
            the penalty is tiny.
        initial_penalty: Positive number, where the penalty begins; 50 in the
            authors' code.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model or a number is not
            positive.

    Example:

    >>> backbone = keras.Sequential([
    ...     keras.Input((28, 28, 1)),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(32, "relu"),
    ... ])
    >>> learner = km.learners.LRD2(backbone)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> learner.predict(episodes.take(1), verbose=0).shape
    (2, 15, 5)
    """

    def __init__(
        self,
        backbone,
        ways=None,
        newton_steps=5,
        initial_penalty=1.0,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        self.newton_steps = check_positive_int("newton_steps", newton_steps)
        self.initial_penalty = check_positive_number(
            "initial_penalty", initial_penalty
        )
        self.log_penalty = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(
                math.log(self.initial_penalty)
            ),
            name="log_penalty",
        )

    def fit_head(self, embeddings, labels, ways, mask=None):
        x = append_ones(full_precision(embeddings))
        targets = tf.one_hot(labels, ways, dtype=x.dtype)
        penalty = tf.exp(tf.cast(self.log_penalty, x.dtype))
        weights = logistic_regression(
            x, targets, penalty, self.newton_steps, mask
        )
        return {"weights": weights}

    def apply_head(self, state, embeddings):
        x = append_ones(full_precision(embeddings))
        return tf.matmul(x, state["weights"])

    def get_config(self):
        return {
            **super().get_config(),
            "newton_steps": self.newton_steps,
            "initial_penalty": self.initial_penalty,
        }
