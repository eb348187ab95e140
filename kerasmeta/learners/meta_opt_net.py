"""MetaOptNet: a support vector machine on embeddings."""

import keras
import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops import multiclass_svm
from kerasmeta.ops.linear_features import full_precision
from kerasmeta.utils.checks import check_positive_int
from kerasmeta.utils.checks import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class MetaOptNet(EmbeddingLearner):
    """MetaOptNet: fit each task by a support vector machine on embeddings.

    Use it with more than a few shots and large embeddings, of which only the
    examples near a boundary should count. With `x_i` the embedded support
    examples, Crammer and Singer's multi-class machine minimises

    `||W||^2 / 2 + cost * sum_i max_n (1 - [y_i = n] - x_i (w_{y_i} - w_n))`

    and `logits = scale * f(query) W`. The backbone and the scale are learned
    by the outer loop, with the implicit gradient of the optimum, exact where
    the solver has converged.

    The authors' code adds the identity to the matrix of inner products of the
    dual, which the paper does not, nor is it done here. Their other head,
    ridge regression, is `R2D2`.

    Reference: Lee, Maji, Ravichandran and Soatto, 2019, "Meta-Learning with
    Differentiable Convex Optimization", arXiv:1904.03758.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        cost: Positive number, what a violated margin costs.
        initial_scale: Positive number, where the scale of the logits begins.
        max_steps: Largest number of steps of the solver, which ends earlier
            when it has converged; `km.ops.multiclass_svm` says how exact the
            default is with many classes.
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
    >>> learner = km.learners.MetaOptNet(backbone)
    >>> learner.compile(
    ...     optimizer="adam",
    ...     loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ... )
    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=2, queries=3)
    >>> episodes = km.tasks.Glyphs("train").episodes(spec, batch_size=2)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> learner.predict(episodes.take(1), verbose=0).shape
    (2, 15, 5)
    """

    def __init__(
        self,
        backbone,
        ways=None,
        cost=0.1,
        initial_scale=1.0,
        max_steps=1000,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        self.cost = check_positive_number("cost", cost)
        self.initial_scale = check_positive_number(
            "initial_scale", initial_scale
        )
        self.max_steps = check_positive_int("max_steps", max_steps)
        self.scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial_scale),
            name="scale",
        )

    def fit_head(self, embeddings, labels, ways, mask=None):
        x = full_precision(embeddings)
        targets = tf.one_hot(labels, ways, dtype=x.dtype)
        weights = multiclass_svm(
            x, targets, self.cost, mask, max_steps=self.max_steps
        )
        return {"weights": weights}

    def apply_head(self, state, embeddings):
        x = full_precision(embeddings)
        return tf.cast(self.scale, x.dtype) * tf.matmul(x, state["weights"])

    def get_config(self):
        return {
            **super().get_config(),
            "cost": self.cost,
            "initial_scale": self.initial_scale,
            "max_steps": self.max_steps,
        }
