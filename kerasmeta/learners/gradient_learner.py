"""The base of learners that adapt by gradients, and the inner loop."""

import abc

import keras
import tensorflow as tf

from kerasmeta.inner_optimizers import GradientDescent
from kerasmeta.inner_optimizers import InnerOptimizer
from kerasmeta.learners.checks import check_network
from kerasmeta.learners.inner_loss import inner_loss_value
from kerasmeta.learners.meta_learner import MetaLearner
from kerasmeta.learners.network_state import NetworkState
from kerasmeta.ops import batch_statistics
from kerasmeta.ops import exact_moments
from kerasmeta.ops import map_tasks
from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int

BATCH_NORM_POLICIES = ("transductive", "inductive", "moving")


class GradientLearner(MetaLearner, abc.ABC):
    """Adapts fast weights of a network by gradient steps on the support set.

    A subclass says *what* is adapted (`initial_fast_weights` and `forward`);
    `inner_optimizer` says how it moves. The meta-gradient goes through the
    steps, exactly, for any unmodified Keras model, unless `first_order`.

    Args:
        network: Built `keras.Model`, used as it is.
        inner_learning_rate: Rate of the default inner optimizer, plain
            gradient descent.
        inner_steps: Number of gradient steps on the support set.
        first_order: Whether to treat the inner gradients as constants.
        inner_optimizer: `InnerOptimizer` to use instead of gradient descent.
        inner_loss: Loss of the inner loop, as for `compile(loss=)`. Defaults
            to the compiled loss.
        batch_norm: What BatchNormalization uses. `"transductive"`: the
            statistics of the batch at hand, queries included, as the papers
            do. `"inductive"`: those of the support set, so that no prediction
            depends on other queries. `"moving"`: Keras' own meaning, batch
            statistics in `fit` and moving statistics elsewhere.
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
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.network = _check_network(network)
        self.inner_steps = check_positive_int("inner_steps", inner_steps)
        self.inner_learning_rate = inner_learning_rate
        self.first_order = bool(first_order)
        self.inner_optimizer = _check_optimizer(
            inner_optimizer
            or GradientDescent(inner_learning_rate, name="inner_optimizer")
        )
        self.inner_loss = inner_loss
        self.batch_norm = check_choice(
            "batch_norm", batch_norm, BATCH_NORM_POLICIES
        )
        self._network_state = NetworkState(network)
        self.inner_optimizer.build_for(self.initial_fast_weights())
        self.built = True

    @abc.abstractmethod
    def initial_fast_weights(self):
        """Return the list of tensors that the inner loop starts from."""

    @abc.abstractmethod
    def forward(self, fast_weights, buffers, x, training=False):
        """Run the network with fast weights.

        Args:
            fast_weights: List of tensors, as `initial_fast_weights`.
            buffers: Dictionary of non-trainable state that differs from the
                network's own.
            x: Examples, `[S, ...]`, or a nest.
            training: What Keras layers get as `training`.

        Returns:
            `(outputs, buffers, losses)`: the outputs, the non-trainable state
            after the call, and the extra losses as one scalar or `None`.
        """

    def adapt(self, support_x, support_y, support_mask=None, training=False):
        return self._adapt(
            self._start(), support_x, support_y, support_mask, {}, training
        )

    def predict_query(self, state, query_x, training=False):
        return self._predict(state, query_x, training)[0]

    def _start(self):
        weights = self.initial_fast_weights()
        return weights, self.inner_optimizer.initial_state(weights)

    def _adapt(
        self, start, support_x, support_y, support_mask, buffers, training
    ):
        """The inner loop."""
        weights, optimizer_state = start
        for step in range(self.inner_steps):
            with tf.GradientTape() as tape:
                tape.watch(weights)
                outputs, buffers, losses = self._forward(
                    weights, buffers, support_x, training, support_mask
                )
                loss = self._support_loss(support_y, outputs, support_mask)
                if losses is not None:
                    loss += losses
            gradients = tape.gradient(
                loss, weights, unconnected_gradients="zero"
            )
            # Embedding layers give sparse gradients, which only a tape of
            # first order understands.
            gradients = [tf.convert_to_tensor(g) for g in gradients]
            if self.first_order:
                gradients = [tf.stop_gradient(g) for g in gradients]
            weights, optimizer_state = self.inner_optimizer.step(
                weights, gradients, optimizer_state, step
            )
        if self.batch_norm == "inductive":
            buffers = self.measure_statistics(
                weights, buffers, support_x, support_mask
            )
        return {"fast_weights": weights, "buffers": buffers}

    def _predict(self, state, query_x, training, query_mask=None):
        inductive = self.batch_norm == "inductive"
        return self._forward(
            state["fast_weights"],
            state["buffers"],
            query_x,
            training,
            query_mask,
            normalize_by_batch=False if inductive else None,
        )

    def _forward(
        self, weights, buffers, x, training, mask, normalize_by_batch=None
    ):
        """Run the network under its policy; `mask` marks real examples."""
        if normalize_by_batch is None and self.batch_norm != "moving":
            normalize_by_batch = True
        with exact_moments(), batch_statistics(normalize_by_batch, mask):
            return self.forward(weights, buffers, x, training)

    def measure_statistics(self, weights, buffers, x, mask=None):
        """Return `buffers` with the BatchNormalization statistics of `x`."""
        state = self._network_state
        if not state.has_statistics():
            return buffers
        zeros = {**buffers, **state.zero_statistics()}
        _, measured, _ = self._forward(weights, zeros, x, False, mask)
        return {**buffers, **state.batch_statistics(measured)}

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

    def solve(self, episodes, training=False):
        # All tasks start from the same values, which are read once.
        start = self._start()

        def solve_task(task):
            # Each task draws its own dropout masks.
            buffers = {}
            if training:
                buffers = self._network_state.seeds_of_task(task["task"])
            state = self._adapt(
                start,
                task["support_x"],
                task["support_y"],
                task.get("support_mask"),
                buffers,
                training,
            )
            query_pred, buffers, losses = self._predict(
                state, task["query_x"], training, task.get("query_mask")
            )
            if self.batch_norm == "inductive":
                buffers = self._network_state.blend_statistics(buffers)
            results = {"query_pred": query_pred, "buffers": buffers}
            return results if losses is None else {**results, "losses": losses}

        tasks = dict(episodes)
        tasks["task"] = tf.range(
            tf.shape(tf.nest.flatten(episodes["support_y"])[0])[0]
        )
        results = map_tasks(solve_task, tasks)
        if "losses" in results:
            self.add_loss(tf.reduce_mean(results["losses"]))
        if training:
            self._network_state.assign(results["buffers"])
        return results["query_pred"]

    @property
    def losses(self):
        # Those of the queries at the fast weights, which `solve` adds; Keras
        # would add the regularizers at the slow weights once more.
        return self._get_own_losses()

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        check_network(self.network, support_x, support_y, ways)

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
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("network", "inner_optimizer", "inner_loss"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def _check_optimizer(optimizer):
    if not isinstance(optimizer, InnerOptimizer):
        raise ValueError(
            "`inner_optimizer` must be one of `kerasmeta.inner_optimizers`. "
            "Keras' own optimizers cannot be differentiated through. "
            f"Received: inner_optimizer={optimizer!r}"
        )
    return optimizer


def _check_network(network):
    if not isinstance(network, keras.Model):
        raise ValueError(
            "`network` must be a `keras.Model`. "
            f"Received: network={network!r} of type {type(network).__name__}"
        )
    if not network.built or not network.variables:
        raise ValueError(
            "`network` must be built, so that it has weights to adapt: begin "
            "a Sequential with `keras.Input(shape)`, or call the network once "
            f"on a batch. Received: an unbuilt network named {network.name!r}"
        )
    if not network.trainable_variables:
        raise ValueError(
            "`network` must have trainable weights to adapt. Set "
            "`trainable = True` on some of its layers. Received: a network "
            f"named {network.name!r} in which everything is frozen"
        )
    return network
