"""Meta-Curvature: learned transformations of gradients."""

import keras

from kerasmeta.inner_optimizers.curvature import Curvature
from kerasmeta.learners.gradient_learner import GradientLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class MetaCurvature(GradientLearner):
    """Meta-Curvature: an initialisation and matrices that turn its gradients.

    Use it in place of MAML where weights should move together: the matrices
    learn which directions of the gradient generalise. For each task, with the
    compiled loss `L`,

    `w_0 = w`, `w_{k+1} = w_k - rate * MC(dL(support; w_k)/dw_k)`

    where `MC` multiplies the axes of output channels, of input channels and of
    positions in a filter by a learned square matrix each. `w` and the matrices
    are trained to minimise the mean of `L(query; w_K)`. The matrices are those
    of `km.inner_optimizers.Curvature`, and begin as identities.

    Reference: Park and Oliva, 2019, "Meta-Curvature", arXiv:1902.03356.

    Args:
        network: Built `keras.Model`, used as it is. For classification its
            head is as wide as the episodes have ways.
        inner_learning_rate: Positive number, or schedule over inner steps.
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
    >>> learner = km.learners.MetaCurvature(network, inner_learning_rate=0.02)
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> learner.predict(episodes.take(1), verbose=0).shape
    (4, 10, 1)
    """

    def default_inner_optimizer(self):
        return Curvature(self.inner_learning_rate, name="inner_optimizer")
