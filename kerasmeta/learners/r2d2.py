"""R2D2: ridge regression on embeddings."""

import math

import keras
import tensorflow as tf

from kerasmeta.learners.checks import check_examples
from kerasmeta.learners.embedding_learner import EmbeddingLearner
from kerasmeta.ops import ridge_regression
from kerasmeta.ops.linear_features import append_ones
from kerasmeta.ops.linear_features import full_precision
from kerasmeta.utils.checks import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class R2D2(EmbeddingLearner):
    """R2D2: fit each task by ridge regression on embeddings.

    Use it where classes are not round clouds around their means, with more
    than one shot, and for regression tasks. With `X` the embedded support
    examples, each with a 1 appended, and `Y` their one-hot labels,

    `W = argmin ||X W - Y||^2 + penalty ||W||^2`,
    `logits = scale * f(query) W + bias`

    The backbone, the penalty (as its logarithm), the scale and the bias are
    learned by the outer loop, through the exact solution. With
    `regression=True`, `Y` are float targets `[S, K]` or `[S]`, and predictions
    `[Q, K]` are `f(query) W` itself.

    The authors' code penalises the mean of the squared errors, here it is their
    sum, as in the paper; its penalty begins at 50, and its scale at 10 or 1e-4,
    by data set.

    Reference: Bertinetto, Henriques, Torr and Vedaldi, 2019, "Meta-learning
    with Differentiable Closed-form Solvers", arXiv:1805.08136.

    Args:
        backbone: Built `keras.Model` from examples to embeddings `[n, D]`.
        ways: Number of classes in an episode, or `None` to count them in the
            labels of each meta-batch.
        initial_penalty: Positive number, where the penalty begins.
        initial_scale: Positive number, where the scale of the logits begins.
        regression: Whether tasks have float targets and not classes.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the backbone is not a built model, a number is not
            positive, or `ways` is given for regression.

    Example:

    >>> learner = km.learners.R2D2(
    ...     km.backbones.mlp((1,), 32), regression=True
    ... )
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> learner.predict(episodes.take(1), verbose=0).shape
    (4, 10, 1)
    """

    def __init__(
        self,
        backbone,
        ways=None,
        initial_penalty=1.0,
        initial_scale=10.0,
        regression=False,
        **kwargs,
    ):
        super().__init__(backbone, ways, **kwargs)
        if regression and ways is not None:
            raise ValueError(
                "Regression tasks have no classes: leave out `ways`, or "
                f"`regression`. Received: ways={ways}, regression=True"
            )
        self.initial_penalty = check_positive_number(
            "initial_penalty", initial_penalty
        )
        self.initial_scale = check_positive_number(
            "initial_scale", initial_scale
        )
        self.regression = bool(regression)
        self.supports_jit = self.supports_jit or self.regression
        self.log_penalty = self._add_scalar(
            "log_penalty", math.log(self.initial_penalty)
        )
        if not self.regression:
            self.scale = self._add_scalar("scale", self.initial_scale)
            self.bias = self._add_scalar("bias", 0.0)

    def _add_scalar(self, name, value):
        initializer = keras.initializers.Constant(value)
        return self.add_weight(shape=(), initializer=initializer, name=name)

    def fit_head(self, embeddings, labels, ways, mask=None):
        targets = tf.one_hot(labels, ways, dtype=self.variable_dtype)
        return self._fit_ridge(embeddings, targets, mask)

    def apply_head(self, state, embeddings):
        x = append_ones(full_precision(embeddings))
        outputs = tf.matmul(x, state["weights"])
        if self.regression:
            return outputs
        scale, bias = (tf.cast(v, x.dtype) for v in (self.scale, self.bias))
        return scale * outputs + bias

    def _fit_ridge(self, embeddings, targets, mask):
        x = append_ones(full_precision(embeddings))
        penalty = tf.exp(tf.cast(self.log_penalty, x.dtype))
        targets = tf.cast(targets, x.dtype)
        return {"weights": ridge_regression(x, targets, penalty, mask)}

    # The base makes labels of targets, and knows which classes a task has.

    def _targets(self, support_y, rank):
        if not self.regression:
            return super()._targets(support_y, rank)
        support_y = tf.convert_to_tensor(support_y)
        return (
            support_y if support_y.shape.rank > rank else support_y[..., None]
        )

    def _fit(self, embeddings, labels, mask, training):
        if not self.regression:
            return super()._fit(embeddings, labels, mask, training)
        return {"head": self._fit_ridge(embeddings, labels, mask)}

    def _apply(self, state, embeddings, mask, training):
        if not self.regression:
            return super()._apply(state, embeddings, mask, training)
        return self.apply_head(state["head"], embeddings)

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        if not self.regression:
            super().check_task(support_x, support_y, query_y, ways)
            return
        check_examples(self.backbone, support_x)
        is_float = not tf.nest.is_nested(support_y) and (
            support_y.dtype.is_floating
        )
        if not is_float or support_y.shape.rank > 2:
            raise ValueError(
                "Regression takes float targets, `[S]` or `[S, K]` for a task; "
                "cast integer targets to float. Received: "
                f"support_y={support_y}"
            )

    def get_config(self):
        return {
            **super().get_config(),
            "initial_penalty": self.initial_penalty,
            "initial_scale": self.initial_scale,
            "regression": self.regression,
        }
