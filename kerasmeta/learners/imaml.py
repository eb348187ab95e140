"""Meta-learning with implicit gradients."""

import keras
import tensorflow as tf

from kerasmeta.learners.adapted_tasks import adapt_tasks
from kerasmeta.learners.adapted_tasks import check_fixed_optimizer
from kerasmeta.learners.adapted_tasks import solve_adapted_task
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.ops import map_tasks
from kerasmeta.ops.conjugate_gradient import conjugate_gradient
from kerasmeta.ops.hessian_vector_product import hessian_vector_product
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number


@keras.saving.register_keras_serializable(package="kerasmeta")
class IMAML(GradientLearner):
    """Implicit MAML: a meta-gradient from where the inner loop ended.

    Use it for inner loops of many steps, or with any inner optimizer: memory
    and the exactness of the gradient do not depend on the path, because only
    the end of it is looked at. The inner loop stays near the initialisation,

    `w* = argmin over u of L(support; u) + regularization / 2 * ||u - w||^2`,

    and where it has converged, the exact meta-gradient of a task is

    `(I + H / regularization)^-1 g`,

    with `g = dL(query; w*)/dw*` and the Hessian `H` of `L(support; w*)`. The
    system is solved by `cg_steps` steps of conjugate gradients, which begin at
    `g`. With few of them, and before the inner loop has converged, the gradient
    is an approximation: take enough inner steps that `(1 - inner_learning_rate
    * regularization) ** inner_steps` is small, or it may lead uphill.

    `damping` solves `(I + H / (regularization + damping))^-1 g` instead, which
    is less wrong where the inner loop is far from converged: Hessians there are
    no guide, and the more damping, the nearer the first-order gradient `g`. The
    authors' code damps much, with 22 in these terms.

    Choose `regularization` near the largest eigenvalues of `H` or above. Where
    it is far below them the system is badly conditioned: rounding errors of
    float32 then reach a percent of the meta-gradient, and the inner loop
    diverges where `inner_learning_rate` times the largest of them is above 2.

    Reference: Rajeswaran, Finn, Kakade and Levine, 2019, "Meta-Learning with
    Implicit Gradients", arXiv:1909.04630.

    Args:
        network: Built `keras.Model`, used as it is.
        regularization: Positive number, how strongly the fast weights are held
            at the initialisation; the lambda of the paper. The system is well
            behaved if it is above the most negative curvature of `L`.
        cg_steps: Number of steps of conjugate gradients, each of which costs
            about two gradients of the support loss.
        damping: Number of zero or more, added to `regularization` in the linear
            system alone.
        **kwargs: `inner_learning_rate`, `inner_steps` and what else
            `km.learners.MAML` takes. `first_order` leaves the Hessian out: the
            meta-gradient is `g`.

    Raises:
        ValueError: If an argument is unsuitable, or the inner optimizer has
            weights to learn, which no gradient would reach.

    Example:

    >>> network = km.backbones.mlp((1,), 1, units=(40, 40))
    >>> learner = km.learners.IMAML(
    ...     network, inner_learning_rate=0.01, inner_steps=4
    ... )
    >>> learner.compile(optimizer="adam", loss="mse")
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    """

    def __init__(
        self, network, regularization=2.0, cg_steps=5, damping=0.0, **kwargs
    ):
        super().__init__(network, **kwargs)
        check_fixed_optimizer(self)
        self.regularization = check_positive_number(
            "regularization", regularization
        )
        self.cg_steps = check_positive_int("cg_steps", cg_steps)
        self.damping = 0.0
        if damping != 0:
            self.damping = check_positive_number("damping", damping)

    def inner_penalty(self, fast_weights):
        squares = [
            tf.reduce_sum(tf.math.squared_difference(weight, start))
            for weight, start in zip(fast_weights, self.initial_fast_weights())
        ]
        return self.regularization / 2 * tf.add_n(squares)

    def solve_task(self, task, training):
        if "state" in task:
            return solve_adapted_task(self, task, training)
        return super().solve_task(task, training)

    def _exact_gradients(self, episodes, query_y, sample_weight):
        tasks = {**episodes, "state": adapt_tasks(self, episodes)}
        ends = tasks["state"]["fast_weights"]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(ends)
            loss, query_pred = self.meta_loss(tasks, query_y, sample_weight)
            scaled = self.scale_loss(loss)
        gradients = tape.gradient(scaled, ends, unconnected_gradients="zero")
        if not self._constant_gradients:
            tasks["gradients"] = gradients
            gradients = map_tasks(self._implicit_gradients, tasks)
        summed = {
            id(variable): tf.reduce_sum(gradient, axis=0)
            for variable, gradient in zip(self.fast_variables(), gradients)
        }
        gradients = [summed[id(v)] for v in self.trainable_variables]
        return loss, query_pred, gradients

    def _implicit_gradients(self, task):
        """Carry the gradients at the end of one task to its beginning."""
        state, mask = task["state"], task.get("support_mask")
        x, buffers, _ = self._encode(
            task["support_x"], state["buffers"], True, mask
        )

        def support_loss(weights):
            outputs, _, losses = self._forward(
                weights, buffers, x, True, mask, self.inner_steps
            )
            loss = self._support_loss(task["support_y"], outputs, mask)
            return loss if losses is None else loss + losses

        hessian = hessian_vector_product(support_loss, state["fast_weights"])

        strength = self.regularization + self.damping

        def product(vectors):
            return [v + h / strength for v, h in zip(vectors, hessian(vectors))]

        target = task["gradients"]
        return conjugate_gradient(product, target, self.cg_steps, start=target)

    def get_config(self):
        return {
            **super().get_config(),
            "regularization": self.regularization,
            "cg_steps": self.cg_steps,
            "damping": self.damping,
        }
