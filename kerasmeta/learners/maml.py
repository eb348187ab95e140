"""Model-agnostic meta-learning."""

import keras

from kerasmeta.learners.gradient_learner import GradientLearner


@keras.saving.register_keras_serializable(package="kerasmeta")
class MAML(GradientLearner):
    """Model-agnostic meta-learning: an initialisation that adapts fast.

    Use it to make any Keras model learn a new task with a few gradient steps,
    for classification or regression. For each task, with the compiled loss `L`,

    `w_0 = w`, `w_{k+1} = w_k - rate * dL(support; w_k)/dw_k`

    and `w` is trained to minimise the mean of `L(query; w_K)` over tasks, with
    the exact gradient through all `K` steps. `first_order=True` treats the
    inner gradients as constants (FOMAML): cheaper, and often nearly as good.

    Reference: Finn, Abbeel and Levine, 2017, "Model-Agnostic Meta-Learning for
    Fast Adaptation of Deep Networks", arXiv:1703.03400.

    Args:
        network: Built `keras.Model`, used as it is: `Sequential`, functional
            or sub-classed. For classification its head is as wide as the
            episodes have ways.
        inner_learning_rate: Positive number, the rate of gradient descent in
            the inner loop.
        inner_steps: Number of gradient steps on the support set.
        first_order: Whether to leave out second-order gradients.
        inner_optimizer: `InnerOptimizer` to use instead of gradient descent
            with `inner_learning_rate`.
        inner_loss: Loss of the inner loop, as for `compile(loss=)`. Defaults
            to the compiled loss.
        batch_norm: `"transductive"` (as the papers do: statistics of the batch
            at hand, so that queries see each other), `"inductive"` (statistics
            of the support set) or `"moving"` (Keras' own meaning of
            `training`). See the page on BatchNormalization in the docs.
        test_inner_steps: Number of steps outside of `fit`, or `None` for
            `inner_steps`.
        second_order_after: Number of first outer steps that are of first
            order, before the exact gradients begin: cheap steps while the
            direction is clear.
        rematerialize: Whether to compute each inner step again for the outer
            gradient instead of keeping it in memory.
        unroll: Whether the graph holds all inner steps (`True`), or a loop.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the network is not built or an argument is unsuitable.

    Example:

    >>> network = keras.Sequential(
    ...     [keras.Input((1,)), keras.layers.Dense(40, "relu"),
    ...      keras.layers.Dense(1)]
    ... )
    >>> learner = km.learners.MAML(network, inner_learning_rate=0.01)
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    >>> model = learner.adapted_model([[0.0], [1.0]], [[0.0], [0.8]])
    >>> model.predict(np.array([[0.5]]), verbose=0).shape
    (1, 1)
    """
