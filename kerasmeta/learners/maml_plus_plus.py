"""MAML++, the training recipe that makes MAML stable."""

import contextlib

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers.learned_rates import LearnedRates
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.mean_over_tasks import mean_over_tasks
from kerasmeta.learners.several_predictions import mean_of_losses
from kerasmeta.learners.several_predictions import prediction_at
from kerasmeta.learners.stepwise_state import StepwiseState
from kerasmeta.learners.stepwise_state import scales
from kerasmeta.utils import check_positive_int

# What the authors' code leaves to the steps before the last while it anneals.
_SMALLEST_SHARE = 0.03


@keras.saving.register_keras_serializable(package="kerasmeta")
class MAMLPlusPlus(GradientLearner):
    """MAML with the changes that make it stable and stronger: MAML++.

    Use it in place of MAML when training is unstable, or for the last points
    of accuracy; it costs up to `inner_steps` passes of the queries instead of
    one. It differs from MAML in five ways:

    1. *Multi-step loss.* The queries are judged after each inner step `k`, and
       the outer loss is `sum_k v_k * L(query; w_k)`. After `t` of the
       `E = multi_step_loss_steps` outer steps, with `K = inner_steps`,

       `v_k = max(1 - t / E, 0.03) / K` for `k < K`,
       `v_K = 1 - (K - 1) * v_1`,

       and from then on only the last step counts. It is the rule of the
       authors' code, which moves once an epoch; here it moves at each step.
    2. *Learned rates* for each weight tensor and inner step: the default inner
       optimizer is `LearnedRates(inner_learning_rate, per="layer_step")`.
       Where the loss has no bound, as in regression, rates can grow until
       the steps diverge; try `global_clipnorm=10` of `LearnedRates`.
    3. *BatchNormalization of each step.* Trainable BatchNormalization layers
       have a `gamma` and `beta` for each number of steps taken, `0..K`. They
       are learned in the outer loop and do not adapt. The last ones are the
       network's own, and serve the queries and whatever steps come after
       `K`. With `batch_norm="moving"` so do the moving statistics. The
       authors' code has no row `K`: queries after step `k` are judged with
       the row of its support pass, `k - 1`.
    4. *First-order steps first*: `second_order_after`.
    5. *A cosine schedule* of the outer rate: `CosineDecay` of Keras, as in the
       example.

    In `fit` the logged loss is the multi-step loss, and the metrics are those
    of the last step. `evaluate` and `predict` use the last step only.

    Reference: Antoniou, Edwards and Storkey, 2019, "How to train your MAML",
    arXiv:1810.09502.

    Args:
        network: Built `keras.Model`, as for `MAML`.
        inner_learning_rate: Positive number that the learned rates start from.
        inner_steps: Number `K` of gradient steps on the support set.
        multi_step_loss_steps: Number `E` of outer steps in which the multi-step
            loss becomes that of the last step. 0 for no multi-step loss.
        **kwargs: Other arguments of `MAML`, `name` and `dtype`.
            `test_inner_steps` is at least `inner_steps`.

    Raises:
        ValueError: If the network is not built or an argument is unsuitable.

    Example:

    >>> network = km.backbones.mlp((1,), 1)
    >>> learner = km.learners.MAMLPlusPlus(
    ...     network, inner_steps=5, multi_step_loss_steps=1000,
    ...     second_order_after=500,
    ... )
    >>> rate = keras.optimizers.schedules.CosineDecay(1e-3, 10_000, alpha=0.01)
    >>> learner.compile(keras.optimizers.Adam(rate), loss="mse")
    >>> learner.step_weights().numpy().round(2)
    array([0.2, 0.2, 0.2, 0.2, 0.2], dtype=float32)
    """

    def __init__(
        self,
        network,
        inner_learning_rate=0.01,
        inner_steps=5,
        multi_step_loss_steps=10_000,
        **kwargs,
    ):
        super().__init__(network, inner_learning_rate, inner_steps, **kwargs)
        self.multi_step_loss_steps = check_positive_int(
            "multi_step_loss_steps", multi_step_loss_steps, minimum=0
        )
        if self.test_inner_steps is not None:
            check_positive_int(
                "test_inner_steps", self.test_inner_steps, self.inner_steps
            )
        self._judged_steps = None
        self._network_state = StepwiseState(
            network,
            self.inner_steps,
            self.add_weight,
            moving=self.batch_norm == "moving",
        )

    def default_inner_optimizer(self):
        return LearnedRates(
            self.inner_learning_rate, per="layer_step", name="inner_optimizer"
        )

    def fast_variables(self):
        fixed = {id(v) for v in scales(self.network)}
        return [
            v for v in self.network.trainable_variables if id(v) not in fixed
        ]

    def forward(self, fast_weights, buffers, x, training=False, step=0):
        values = {
            id(variable): weight
            for variable, weight in zip(self.fast_variables(), fast_weights)
        }
        return self._network_state.call_at(step, values, buffers, x, training)

    def step_weights(self):
        """Return what the query loss after each inner step weighs, `[K]`."""
        dtype = keras.config.floatx()
        others = self.inner_steps - 1
        share = tf.zeros([], dtype)
        if self.multi_step_loss_steps:
            done = tf.cast(self._outer_steps(), dtype)
            done /= self.multi_step_loss_steps
            share = tf.maximum(1 - done, _SMALLEST_SHARE) / self.inner_steps
            share = tf.where(done < 1, share, tf.zeros_like(share))
        return tf.concat([tf.repeat(share, others), [1 - others * share]], 0)

    def _outer_steps(self):
        if self.optimizer is None:
            return tf.constant(0)  # Conditions in a graph need a tensor.
        return self.optimizer.iterations

    def meta_gradients(self, episodes, query_y, sample_weight=None):
        data = episodes, query_y, sample_weight
        every = super().meta_gradients

        def last():
            with self._judging("last"):
                return every(*data)

        # Judging each step takes time, so it ends when only the last counts.
        return tf.cond(
            self._outer_steps() < self.multi_step_loss_steps,
            lambda: every(*data),
            last,
        )

    def _exact_gradients(self, *data):
        loss, query_pred, gradients = super()._exact_gradients(*data)
        # At first order nothing reaches the row of step 0, and both branches
        # of a condition have to return the same.
        gradients = [
            tf.zeros_like(variable) if gradient is None else gradient
            for variable, gradient in zip(self.trainable_variables, gradients)
        ]
        return loss, query_pred, gradients

    @contextlib.contextmanager
    def _judging(self, steps):
        """Trace with the queries judged at "every" step or the "last" one."""
        before = self._judged_steps
        self._judged_steps = steps
        try:
            yield
        finally:
            self._judged_steps = before

    @mean_over_tasks
    def meta_loss(self, episodes, query_y, sample_weight=None, training=True):
        data = episodes, query_y, sample_weight
        if not training or self._judged_steps == "last":
            return super().meta_loss(*data, training)
        with self._judging("every"):
            judged = self(episodes, training=True)  # (T, K, Q, ...)
        loss = mean_of_losses(self, *data, judged, self.step_weights())
        return loss, prediction_at(judged, self.inner_steps - 1, axis=1)

    def solve_task(self, task, training):
        if self._judged_steps != "every":
            return super().solve_task(task, training)
        support = {
            name: task[f"support_{name}"]
            for name in ("x", "y", "mask")
            if f"support_{name}" in task
        }
        weights = self.initial_fast_weights()
        state = {
            "fast_weights": weights,
            "buffers": self._network_state.seeds_of_task(task["task"]),
            "optimizer": self.inner_optimizer.initial_state(weights),
        }
        _, judged = self._take_steps(
            state,
            support,
            True,
            lambda state, step: self._judge(state, task, step + 1),
        )
        # What stays is what the pass after the last step leaves behind.
        buffers = tf.nest.map_structure(lambda t: t[-1], judged["buffers"])
        if self.batch_norm == "inductive":
            buffers = self._network_state.blend_statistics(buffers)
        results = {"query_pred": judged["query_pred"], "buffers": buffers}
        if "losses" in judged:
            losses = judged["losses"]
            weights = tf.cast(self.step_weights(), losses.dtype)
            results["losses"] = tf.reduce_sum(weights * losses)
        return results

    def _judge(self, state, task, step):
        """Predict the queries after some steps; as `solve_task`."""
        weights, buffers = state["fast_weights"], state["buffers"]
        use = None
        if self.batch_norm == "inductive":
            use = False
            # The support set is measured as the queries are normalized.
            buffers = self.measure_statistics(
                weights,
                buffers,
                task["support_x"],
                task.get("support_mask"),
                step,
            )
        query_mask = task.get("query_mask")
        outputs, buffers, losses = self._forward(
            weights, buffers, task["query_x"], True, query_mask, step, use
        )
        judged = {"query_pred": outputs, "buffers": buffers}
        return judged if losses is None else {**judged, "losses": losses}

    def get_config(self):
        return {
            **super().get_config(),
            "multi_step_loss_steps": self.multi_step_loss_steps,
        }
