"""Meta-SGD: learned rates for all weights."""

import keras

from kerasmeta.inner_optimizers.learned_rates import LearnedRates
from kerasmeta.learners.gradient_learner import GradientLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class MetaSGD(GradientLearner):
    """Meta-SGD: an initialisation and a rate for each of its numbers.

    Use it in place of MAML where one rate for all weights is too coarse, and
    where one step has to do: it learns how far, and by the sign of the rate
    in which direction, each weight goes. For each task, with the compiled loss
    `L` and the elementwise product `*`,

    `w_0 = w`, `w_{k+1} = w_k - rates * dL(support; w_k)/dw_k`

    and `w` and `rates` are trained to minimise the mean of `L(query; w_K)`.
    There are as many rates as weights; for a rate for each layer, or for each
    layer and step, give another learner `km.inner_optimizers.LearnedRates`.

    Reference: Li, Zhou, Chen and Li, 2017, "Meta-SGD: Learning to Learn
    Quickly for Few-Shot Learning", arXiv:1707.09835.

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

    >>> network = km.backbones.mlp((1,), 1)
    >>> learner = km.learners.MetaSGD(network, inner_learning_rate=0.02)
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> rates = learner.inner_optimizer.rates
    >>> [r.shape for r in rates] == [w.shape for w in network.weights]
    True
    """

    def default_inner_optimizer(self):
        return LearnedRates(self.inner_learning_rate, name="inner_optimizer")
