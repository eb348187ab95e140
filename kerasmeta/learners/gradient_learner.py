"""The base of learners that adapt by gradients, and the inner loop."""

import abc
import contextlib

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers import GradientDescent
from kerasmeta.learners.adapted_learner import adapt_network
from kerasmeta.learners.checks import check_network
from kerasmeta.learners.gradient_checks import check_adaptable
from kerasmeta.learners.gradient_checks import check_inner_optimizer
from kerasmeta.learners.gradient_order import annealed_gradients
from kerasmeta.learners.gradient_step import gradient_step
from kerasmeta.learners.held_variables import HeldVariables
from kerasmeta.learners.held_variables import hold
from kerasmeta.learners.inner_loop import rematerialized
from kerasmeta.learners.inner_loop import run_steps
from kerasmeta.learners.inner_loss import inner_loss_value
from kerasmeta.learners.mean_over_tasks import mean_over_tasks
from kerasmeta.learners.meta_learner import MetaLearner
from kerasmeta.learners.network_state import NetworkState
from kerasmeta.learners.task_gradients import gradients_by_task
from kerasmeta.learners.task_gradients import is_better_by_task
from kerasmeta.ops import batch_statistics
from kerasmeta.ops import exact_gradients
from kerasmeta.ops import map_tasks
from kerasmeta.ops.zero_padding import zero_padding
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int


class GradientLearner(MetaLearner, abc.ABC):
    """Adapts fast weights of a network by gradient steps on the support set.

    A subclass says *what* is adapted: `fast_variables`, or, where they are not
    variables of the network, `initial_fast_weights` and `forward`.
    `inner_optimizer` says how it moves. The meta-gradient goes through the
    steps, exactly, for any unmodified Keras model, unless `first_order`.

    Args:
        network: Built `keras.Model`, used as it is.
        inner_learning_rate: Rate of the default inner optimizer.
        inner_steps: Number of gradient steps on the support set.
        first_order: Whether to treat the inner gradients as constants.
        inner_optimizer: `InnerOptimizer`; gradient descent for most learners.
        inner_loss: Loss of the inner loop, as for `compile(loss=)`. Defaults
            to the compiled loss.
        batch_norm: What BatchNormalization uses. `"transductive"`: the
            statistics of the batch at hand, queries included, as the papers
            do. `"inductive"`: those of the support set, so that no prediction
            depends on other queries. `"moving"`: Keras' own meaning, batch
            statistics in `fit` and moving statistics elsewhere.
        test_inner_steps: Number of steps outside of `fit`, if another.
        second_order_after: Number of first-order outer steps at the beginning.
        rematerialize: Whether to compute each inner step again for the outer
            gradient instead of keeping it in memory. The gradients are the
            same; steps run in a loop, and tasks of convolutions one by one.
        unroll: Whether the graph holds all inner steps one after another, or
            a loop, which compiles in the same time for any number of steps;
            tasks of dense networks then run one after another, too.
    """

    def __init__(
        self,
        network,
        inner_learning_rate=0.01,
        inner_steps=1,
        first_order=False,
        inner_optimizer=None,
        inner_loss=None,
        batch_norm="transductive",
        test_inner_steps=None,
        second_order_after=0,
        rematerialize=False,
        unroll=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.network = check_adaptable(network)
        self.inner_steps = check_positive_int("inner_steps", inner_steps)
        self.inner_learning_rate = inner_learning_rate
        self.first_order = bool(first_order)
        self.inner_optimizer = check_inner_optimizer(
            inner_optimizer or self.default_inner_optimizer()
        )
        self.inner_loss = inner_loss
        self.batch_norm = check_choice(
            "batch_norm", batch_norm, ("transductive", "inductive", "moving")
        )
        self.test_inner_steps = test_inner_steps
        if test_inner_steps is not None:
            check_positive_int("test_inner_steps", test_inner_steps)
        self.second_order_after = check_positive_int(
            "second_order_after", second_order_after, minimum=0
        )
        self.rematerialize = bool(rematerialize)
        self.unroll = bool(unroll)
        self._network_state = NetworkState(network)
        self._constant_gradients = self.first_order
        self.inner_optimizer.build_for(
            self.initial_fast_weights(), self.inner_steps
        )
        self.built = True

    @property
    def transductive(self):
        by_batch = self.batch_norm == "transductive"
        return by_batch and self._network_state.has_statistics()

    def default_inner_optimizer(self):
        """Return what moves the fast weights if no optimizer is given."""
        return GradientDescent(self.inner_learning_rate, name="inner_optimizer")

    def fast_variables(self):
        """Return the variables of the network that adapt; all by default."""
        return self.network.trainable_variables

    def initial_fast_weights(
        self, support_x=None, support_y=None, support_mask=None
    ):
        """Return the list of tensors that the inner loop starts from.

        The values of `fast_variables`, unless a subclass computes them from
        the support set. Without a support set it shows their shapes.
        """
        return [tf.convert_to_tensor(v) for v in self.fast_variables()]

    def encode(self, x, buffers, training=False):
        """Compute what does not change in the inner loop, once a task.

        Returns:
            `(x, buffers, losses)`: what `forward` gets as its `x`, the
            non-trainable state, and extra losses or `None`.
        """
        return x, buffers, None

    def forward(self, fast_weights, buffers, x, training=False, step=0):
        """Run the network with fast weights.

        Args:
            fast_weights: List of tensors, as `initial_fast_weights`.
            buffers: Dictionary of non-trainable state that differs from the
                network's own.
            x: Examples, `[S, ...]`, or a nest; what `encode` returned.
            training: What Keras layers get as `training`.
            step: Number of inner steps that the fast weights have taken.

        Returns:
            `(outputs, buffers, losses)`: the outputs, the non-trainable state
            after the call, and the extra losses as one scalar or `None`.
        """
        state = self._network_state
        weights = state.weights_with(self.fast_variables(), fast_weights)
        return state.call(weights, buffers, x, training)

    def inner_penalty(self, fast_weights):
        """Return what the inner loss has besides the loss, or `None`."""
        return None

    def inner_objective(self, weights, buffers, support, step, training):
        """Return `(loss, buffers)`: what a step descends, and what it leaves.

        The inner loss, the extra losses of the network and `inner_penalty`.
        """
        x, y, mask = support["x"], support["y"], support.get("mask")
        outputs, buffers, losses = self._forward(
            weights, buffers, x, training, mask, step
        )
        loss = self._support_loss(y, outputs, mask)
        for extra in (losses, self.inner_penalty(weights)):
            loss = loss if extra is None else loss + extra
        return loss, buffers

    step_function = gradient_step  # A method: what the inner loop repeats.

    def support_batch(self, support, step):
        """Return what a step of the inner loop learns from.

        Args:
            support: Dictionary of the encoded `"x"`, `"y"` and maybe `"mask"`.
            step: Number of the step.
        """
        return support

    def adapt(self, support_x, support_y, support_mask=None, training=False):
        support = zero_padding((support_x, support_y), support_mask)
        return self._adapt(*support, support_mask, {}, training)

    def predict_query(self, state, query_x, training=False):
        return self._predict(state, query_x, training)[0]

    def _adapt(self, support_x, support_y, support_mask, buffers, training):
        """The inner loop."""
        weights = self.initial_fast_weights(support_x, support_y, support_mask)
        x, buffers, _ = self._encode(support_x, buffers, training, support_mask)
        state = {
            "fast_weights": weights,
            "buffers": buffers,
            "optimizer": self.inner_optimizer.initial_state(weights),
        }
        support = {"x": x, "y": support_y}
        if support_mask is not None:
            support["mask"] = support_mask
        state, _ = self._take_steps(state, support, training)
        buffers = state["buffers"]
        if self.batch_norm == "inductive":
            buffers = self.measure_statistics(
                state["fast_weights"], buffers, support_x, support_mask
            )
        return {"fast_weights": state["fast_weights"], "buffers": buffers}

    def _take_steps(self, state, support, training, collect=None):
        """Take all inner steps, and collect something after each."""
        step_fn = self.step_function(training)
        if self.rematerialize:
            step_fn = rematerialized(step_fn, HeldVariables(self.variables))
        return run_steps(
            lambda state, step: step_fn(state, step, support),
            state,
            self.steps_for(training),
            self.unroll and not self.rematerialize,
            collect,
        )

    def steps_for(self, training):
        """Return the number of inner steps in training or outside of it."""
        steps = None if training else self.test_inner_steps
        return self.inner_steps if steps is None else steps

    def _predict(self, state, query_x, training, query_mask=None):
        """Return predictions, the buffers after it and extra losses."""
        use = False if self.batch_norm == "inductive" else None
        x, buffers, encoding_losses = self._encode(
            query_x, state["buffers"], training, query_mask, use
        )
        outputs, buffers, losses = self._forward(
            state["fast_weights"],
            buffers,
            x,
            training,
            query_mask,
            self.steps_for(training),
            use,
        )
        losses = [v for v in (encoding_losses, losses) if v is not None]
        return outputs, buffers, tf.add_n(losses) if losses else None

    def _encode(self, x, buffers, training, mask, normalize_by_batch=None):
        with self._policy(mask, normalize_by_batch):
            return self.encode(x, buffers, training)

    def _forward(
        self, weights, buffers, x, training, mask, step, normalize_by_batch=None
    ):
        with self._policy(mask, normalize_by_batch):
            return self.forward(weights, buffers, x, training, step)

    @contextlib.contextmanager
    def _policy(self, mask, normalize_by_batch=None, through_moving=False):
        """Run networks under `batch_norm`; `mask` marks real examples."""
        if normalize_by_batch is None and self.batch_norm != "moving":
            normalize_by_batch = True
        with (
            exact_gradients(self.jit_compile),
            batch_statistics(normalize_by_batch, mask, through_moving),
        ):
            yield

    def measure_statistics(self, weights, buffers, x, mask=None, step=None):
        """Return `buffers` with the BatchNormalization statistics of `x`.

        Args:
            weights: Fast weights.
            buffers: Non-trainable state.
            x: Examples.
            mask: Optional, true for the examples that count.
            step: Number of steps taken, or `None` for all.
        """
        step = self.inner_steps if step is None else step

        def run(buffers):
            with self._policy(mask, through_moving=True):
                inputs, buffers, _ = self.encode(x, buffers)
                return self.forward(weights, buffers, inputs, step=step)[1]

        return self._network_state.measure(run, buffers)

    def _support_loss(self, y, y_pred, mask):
        loss = self.loss if self.inner_loss is None else self.inner_loss
        if loss is None:
            raise ValueError(
                "The inner loop has no loss. Call `compile(loss=...)` first, "
                "or construct the learner with `inner_loss=...`."
            )
        weights = None
        if self.inner_loss is None:
            weights = self._compile_loss._user_loss_weights
        return inner_loss_value(loss, weights, y, y_pred, mask)

    @mean_over_tasks
    def solve(self, episodes, training=False):
        # All tasks start from the same values, which are read once.
        held = hold(self)
        count = tf.shape(tf.nest.flatten(episodes["support_y"])[0])[0]
        tasks = {**episodes, "task": tf.range(count)}

        def solve_held(task):
            with held.scope():
                return self.solve_task(task, training)

        results = map_tasks(solve_held, tasks)
        if "losses" in results:
            self.add_loss(tf.reduce_mean(results["losses"]))
        if training:
            self._network_state.assign(results["buffers"])
        return results["query_pred"]

    def solve_task(self, task, training):
        """Adapt to one task and predict its queries.

        Returns:
            Dictionary of `"query_pred"`, `"buffers"` and maybe `"losses"`.
        """
        # Each task draws its own dropout masks.
        buffers = {}
        if training:
            buffers = self._network_state.seeds_of_task(task["task"])
        mask = task.get("support_mask")
        state = self._adapt(
            task["support_x"], task["support_y"], mask, buffers, training
        )
        return self.judge(state, task, training)

    def judge(self, state, task, training):
        """Predict the queries of a task from its state, as `solve_task`."""
        query_pred, buffers, losses = self._predict(
            state, task["query_x"], training, task.get("query_mask")
        )
        if self.batch_norm == "inductive":
            buffers = self._network_state.blend_statistics(buffers)
        results = {"query_pred": query_pred, "buffers": buffers}
        return results if losses is None else {**results, "losses": losses}

    def meta_gradients(self, episodes, query_y, sample_weight=None):
        return annealed_gradients(self, (episodes, query_y, sample_weight))

    def _exact_gradients(self, episodes, query_y, sample_weight):
        if is_better_by_task(self, episodes):
            return gradients_by_task(self, episodes, query_y, sample_weight)
        return super().meta_gradients(episodes, query_y, sample_weight)

    def network_input(self, x):
        """Return what the network is called with for examples `x`."""
        return x

    def seeds_of_task(self, task):
        """Return the values of seeds for task number `task`, by `id`."""
        variables = self.network.non_trainable_variables
        seeds = self._network_state.seeds_of_task(task)
        return {id(variables[int(i)]): seed for i, seed in seeds.items()}

    @property
    def losses(self):
        # Those of the queries at the fast weights, which `solve` adds; Keras
        # would add the regularizers at the slow weights once more.
        return self._get_own_losses()

    def adapted_model(self, support_x, support_y, support_mask=None):
        return adapt_network(self, support_x, support_y, support_mask)

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        x = self.network_input(support_x)
        check_network(self.network, x, support_y, ways, query_y, self.loss)

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "inner_learning_rate": self.inner_learning_rate,
            "inner_steps": self.inner_steps,
            "first_order": self.first_order,
            "inner_optimizer": keras.saving.serialize_keras_object(
                self.inner_optimizer
            ),
            "inner_loss": keras.saving.serialize_keras_object(self.inner_loss),
            "batch_norm": self.batch_norm,
            "test_inner_steps": self.test_inner_steps,
            "second_order_after": self.second_order_after,
            "rematerialize": self.rematerialize,
            "unroll": self.unroll,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("network", "inner_optimizer", "inner_loss"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
