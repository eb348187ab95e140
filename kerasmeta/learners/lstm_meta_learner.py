"""The LSTM meta-learner."""

import keras

from kerasmeta.inner_optimizers.lstm_steps import LSTMSteps
from kerasmeta.learners.gradient_learner import GradientLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class LSTMMetaLearner(GradientLearner):
    """The LSTM meta-learner: a learned update rule and initialisation.

    Use it to learn how to descend, with many inner steps. An LSTM that all
    weights share sees the gradient and the loss of each step and sets, for
    each weight, an input gate `i` in place of the rate and a forget gate `f`
    that shrinks it. For each task, with the compiled loss `L`,

    `w_0 = w`, `w_{k+1} = f_k * w_k - i_k * dL(support; w_k)/dw_k`

    and `w` and the LSTM are trained to minimise the mean of `L(query; w_K)`.
    The LSTM is `km.inner_optimizers.LSTMSteps`.

    The paper treats gradients and losses as constants in the outer gradient,
    and `first_order=True`, which does so, is recommended: the exact gradient
    goes through the logarithms of gradients and can be very large. Clip the
    outer gradients as well, with `clipnorm` or `clipvalue` of the optimizer.
    BatchNormalization is best `"transductive"` or `"inductive"`; the paper,
    too, keeps statistics from leaking between tasks.

    Reference: Ravi and Larochelle, 2017, "Optimization as a Model for Few-Shot
    Learning", ICLR.

    Args:
        network: Built `keras.Model`, used as it is. For classification its
            head is as wide as the episodes have ways.
        inner_learning_rate: Number in 0..1, what the input gates are at the
            beginning.
        inner_steps: Number of gradient steps on the support set.
        first_order: Whether to treat gradients and losses of the inner loop
            as constants, as the paper does.
        inner_optimizer: `InnerOptimizer` to use instead.
        inner_loss: Loss of the inner loop, as for `compile(loss=)`. Defaults
            to the compiled loss.
        batch_norm: `"transductive"`, `"inductive"` or `"moving"`, as for
            `MAML`.
        test_inner_steps: Number of steps outside of `fit`, or `None` for
            `inner_steps`.
        second_order_after: Number of first outer steps that are of first
            order, before the exact gradients begin.
        rematerialize: Whether to compute each inner step again for the outer
            gradient instead of keeping it in memory.
        unroll: Whether the graph holds all inner steps (`True`), or a loop.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the network is not built or an argument is unsuitable.

    Example:

    >>> learner = km.learners.LSTMMetaLearner(
    ...     km.backbones.mlp((1,), 1), inner_steps=2, first_order=True
    ... )
    >>> optimizer = keras.optimizers.Adam(0.001, clipnorm=1.0)
    >>> learner.compile(optimizer=optimizer, loss="mse")
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> learner.predict(episodes.take(1), verbose=0).shape
    (4, 10, 1)
    """

    def default_inner_optimizer(self):
        return LSTMSteps(self.inner_learning_rate, name="inner_optimizer")
