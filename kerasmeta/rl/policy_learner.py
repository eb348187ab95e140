"""The base of learners that act, and their outer loop."""

import abc

import keras
import tensorflow as tf

from kerasmeta.learners.replica_updates import apply_gradients
from kerasmeta.learners.replicas import check_accumulation
from kerasmeta.learners.replicas import check_jit
from kerasmeta.learners.replicas import check_strategy
from kerasmeta.learners.replicas import num_replicas
from kerasmeta.metrics.task_intervals import TaskIntervals
from kerasmeta.rl.action_distribution import action_distribution
from kerasmeta.rl.check_trials import check_trials
from kerasmeta.rl.environment import Environment
from kerasmeta.utils.lost_workers import lost_workers_named
from kerasmeta.utils.run_fit import run_fit


class PolicyLearner(keras.Model, abc.ABC):
    """A `keras.Model` that acts in tasks, and learns to act better.

    The base of the learners of `km.rl`. A subclass writes `collect`, which
    acts, and `policy_loss`, whose gradient improves it. This class makes of the
    two a Keras model: `compile(optimizer)`, then `fit` and `evaluate` on what
    `Environment.trials` returns.

    `fit` logs the loss and the mean return, `evaluate` the mean returns, each
    with the half-width of its 95 % confidence interval over tasks, `NAME_ci95`.

    Replicas share the trials of a meta-batch evenly, and each draws with a seed
    of its own.

    Args:
        environment: `Environment` to act in.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If `environment` is none.
    """

    # How many steps of the optimizer are made from what was collected.
    updates = 1

    def __init__(self, environment, **kwargs):
        # Seeds, actions and rewards must not be cast to half precision; the
        # networks cast their own inputs.
        kwargs.setdefault("dtype", keras.config.floatx())
        super().__init__(autocast=False, **kwargs)
        if not isinstance(environment, Environment):
            raise ValueError(
                "`environment` must be a `km.rl.Environment`, such as "
                "`km.rl.BernoulliBandits()`. "
                f"Received: environment={environment!r}"
            )
        self.environment = environment
        self.actions = action_distribution(environment)
        self._loss_mean = keras.metrics.Mean(name="loss")
        self._return_means = {
            name: keras.metrics.Mean(name=name) for name in self.return_names()
        }
        self._intervals = TaskIntervals()
        self._intervals.make_sums(self.return_names())
        self._trace_anew()
        # Where environments run in Python, XLA cannot follow.
        self.supports_jit = environment.supports_jit

    def return_names(self):
        """Return the names of the returns that `collect` reports."""
        return ["return"]

    @abc.abstractmethod
    def collect(self, tasks, seed, training=False):
        """Act in tasks.

        Args:
            tasks: What `Environment.sample_tasks` returned, `N` tasks.
            seed: Two integers.
            training: Whether it is for a training step.

        Returns:
            `(experience, returns)`: what `policy_loss` takes, without
            gradients, and a dictionary of returns, `[N]` each.
        """

    @abc.abstractmethod
    def policy_loss(self, experience):
        """Return the scalar whose gradient the optimizer descends."""

    def make_train_function(self, force=False):
        if self.train_function is None or force:
            # What was traced holds the optimizer, and what was trainable.
            self._trace_anew()
        return super().make_train_function(force)

    def _make_function(self, step_function):
        check_jit(self)
        return super()._make_function(step_function)

    def _trace_anew(self):
        # Traced once, however many updates there are.
        self._traced_gradients = tf.function(self._gradients, autograph=False)

    def fit(self, x=None, *args, **kwargs):
        """Train on what `Environment.trials` returns; arguments as in Keras."""
        check_strategy(self)
        check_trials(x, self.distribute_strategy)
        check_accumulation(self)
        # What makes variables is traced twice.
        if self.optimizer is not None and not self.optimizer.built:
            with self.distribute_strategy.scope():
                self.optimizer.build(self.trainable_variables)
        return run_fit(super().fit, x, *args, **kwargs)

    def evaluate(self, x=None, *args, **kwargs):
        """Act on what `Environment.trials` returns; arguments as in Keras."""
        check_strategy(self)
        check_trials(x, self.distribute_strategy)
        with lost_workers_named():
            return super().evaluate(x, *args, **kwargs)

    def predict(self, *args, **kwargs):
        """Refuse: there are no inputs to predict from."""
        raise NotImplementedError(
            "A learner that acts has no inputs to predict from. `evaluate` "
            "returns what it earns, and `collect` what it does."
        )

    def export(self, *args, **kwargs):
        """Refuse: there is no support set to adapt to."""
        raise NotImplementedError(
            "Learners that act are not exported; `save` keeps one in a .keras "
            "file."
        )

    def train_step(self, data):
        """Act in a meta-batch of tasks, learn from it, and return the logs."""
        experience, returns = self.collect(
            data["tasks"], data["seed"][0], training=True
        )
        for _ in range(self.updates):
            loss, gradients = self._traced_gradients(experience)
            apply_gradients(self.optimizer, gradients, self.trainable_variables)
            self._loss_mean.update_state(loss)
        return {
            "loss": self._loss_mean.result(),
            **self._update_returns(returns),
        }

    def _gradients(self, experience):
        # The optimizer sums the gradients of all replicas.
        with tf.GradientTape() as tape:
            loss = self.policy_loss(experience)
            scaled = self.optimizer.scale_loss(loss / num_replicas())
        return loss, tape.gradient(scaled, self.trainable_variables)

    def test_step(self, data):
        """Act in a meta-batch of tasks, and return the returns."""
        _, returns = self.collect(data["tasks"], data["seed"][0])
        self._intervals.update_state(returns)
        return {**self._update_returns(returns), **self._intervals.result()}

    def _get_metrics_result_or_logs(self, logs):
        # Read anew outside of a step, sums are those over all replicas.
        pooled = self.get_metrics_result()
        return {name: pooled.get(name, value) for name, value in logs.items()}

    def _update_returns(self, returns):
        for name, values in returns.items():
            self._return_means[name].update_state(values)
        return {name: self._return_means[name].result() for name in returns}

    @property
    def metrics(self):
        return [
            self._loss_mean,
            *self._return_means.values(),
            self._intervals,
        ]

    def get_config(self):
        environment = keras.saving.serialize_keras_object(self.environment)
        return {**super().get_config(), "environment": environment}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))
