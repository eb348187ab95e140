"""ALFA: rates and decays made for each task and step."""

import keras

from kerasmeta.inner_optimizers.generated_rates import GeneratedRates
from kerasmeta.learners.gradient_learner import GradientLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class ALFA(GradientLearner):
    """ALFA: an initialisation, and a network that sets rates and decays.

    Use it in place of MAML where tasks differ so much that no fixed rate suits
    them all. At each step a small network sees the means of the weights and of
    their gradients, and sets for each weight tensor the rate `alpha` and the
    decay `beta`. For each task, with the compiled loss `L`,

    `w_0 = w`, `w_{k+1} = beta_k * w_k - alpha_k * dL(support; w_k)/dw_k`

    and `w` and the network are trained to minimise the mean of `L(query;
    w_K)`. The network is that of `km.inner_optimizers.GeneratedRates`.

    Reference: Baik, Choi, Choi, Kim and Lee, 2020, "Meta-Learning with
    Adaptive Hyperparameters", arXiv:2011.00209.

    Args:
        network: Built `keras.Model`, used as it is. For classification its
            head is as wide as the episodes have ways.
        inner_learning_rate: Positive number, what all rates are at the
            beginning.
        inner_steps: Number of gradient steps on the support set.
        first_order: Whether to leave out second-order gradients.
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

    >>> learner = km.learners.ALFA(
    ...     km.backbones.mlp((1,), 1), inner_learning_rate=0.02, inner_steps=2
    ... )
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> learner.predict(episodes.take(1), verbose=0).shape
    (4, 10, 1)
    """

    def default_inner_optimizer(self):
        return GeneratedRates(self.inner_learning_rate, name="inner_optimizer")
