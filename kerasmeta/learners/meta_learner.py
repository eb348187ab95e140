"""The base of all learners, and the outer loop."""

import abc
import warnings

import keras
import tensorflow as tf

from kerasmeta.export.export_learner import export_learner
from kerasmeta.learners.adapted_model import AdaptedModel
from kerasmeta.learners.checks import check_episodes
from kerasmeta.learners.checks import check_keys
from kerasmeta.learners.checks import check_structure
from kerasmeta.learners.checks import check_support
from kerasmeta.learners.clear_padding import clear_padding
from kerasmeta.learners.clear_padding import unpack_clear
from kerasmeta.learners.compile_options import compile_options
from kerasmeta.learners.fit_options import batch_options
from kerasmeta.learners.fit_options import fit_options
from kerasmeta.learners.loss_scaling import scale_in_float16
from kerasmeta.learners.mean_over_tasks import mean_over_tasks
from kerasmeta.learners.memory_estimate import estimate_step_memory
from kerasmeta.learners.queries import loss_inputs
from kerasmeta.learners.queries import queries_of_metrics
from kerasmeta.learners.replica_updates import apply_gradients
from kerasmeta.learners.replicas import check_jit
from kerasmeta.learners.replicas import check_strategy
from kerasmeta.learners.replicas import first_batch
from kerasmeta.learners.replicas import for_workers
from kerasmeta.learners.replicas import gradients_of_replica
from kerasmeta.learners.replicas import num_replicas
from kerasmeta.learners.replicas import only_real
from kerasmeta.learners.replicas import weighted_loss
from kerasmeta.learners.replicas import without_empty
from kerasmeta.learners.saved_extras import load_extras
from kerasmeta.learners.saved_extras import naming_damage
from kerasmeta.learners.saved_extras import save_extras
from kerasmeta.learners.variables_first import make_variables
from kerasmeta.metrics.task_intervals import TaskIntervals
from kerasmeta.ops import map_tasks
from kerasmeta.ops.bias_gradients import separate_bias_gradients
from kerasmeta.utils.lost_workers import lost_workers_named
from kerasmeta.utils.run_fit import run_fit


class MetaLearner(keras.Model, abc.ABC):
    """A `keras.Model` whose input is a task and whose output its predictions.

    The base of all learners. A learner writes `adapt`, which learns from a
    support set and *returns* what it learned, and `predict_query`, which uses
    it. This class makes of the two a Keras model for meta-batches of episodes,
    with `fit`, `evaluate`, `predict`, `adapted_model` and `export`.

    `evaluate` reports for each metric, besides its value over all queries, the
    half-width of its 95 % confidence interval over tasks, `NAME_ci95`. Queries
    of none of the classes have the label -1: losses and metrics leave them out,
    but `km.metrics.OpenSetAUROC`, which is about them. Where `transductive` is
    true, `evaluate` predicts a query from the other queries, too.

    Args:
        episode_signature: Shapes and dtypes of the episodes, for `export`.
            Learners find it out themselves, and pass it on when saved.
        **kwargs: `name` and `dtype`, as for `keras.Model`.
    """

    transductive = False

    def __init__(self, episode_signature=None, **kwargs):
        # Targets are part of the input, and must not be cast to half
        # precision with it; the networks cast their own inputs.
        # Fast weights keep full precision: a small step vanishes in half.
        kwargs.setdefault("dtype", keras.config.floatx())
        super().__init__(autocast=False, **kwargs)
        self._task_intervals = TaskIntervals()
        self.episode_signature = episode_signature

    @abc.abstractmethod
    def adapt(self, support_x, support_y, support_mask=None, training=False):
        """Learn one task from its support set.

        Args:
            support_x: Support examples, `[S, ...]`, or a nest.
            support_y: Their labels or targets, `[S, ...]`.
            support_mask: Optional `[S]`, true for the examples that count.
            training: Whether the learner itself is being trained.

        Returns:
            The state of the task, a nest of tensors for `predict_query`.
        """

    @abc.abstractmethod
    def predict_query(self, state, query_x, training=False):
        """Predict the queries of one task.

        Args:
            state: What `adapt` returned.
            query_x: Query examples, `[Q, ...]`, or a nest.
            training: Whether the learner itself is being trained.

        Returns:
            Predictions, `[Q, ...]`.
        """

    def solve(self, episodes, training=False):
        """Adapt to each task of a meta-batch and predict its queries.

        Abstract bases may override it to share work between tasks.

        Returns:
            Predictions, `[T, Q, ...]`.
        """

        def solve_task(task):
            state = self.adapt(
                task["support_x"],
                task["support_y"],
                task.get("support_mask"),
                training=training,
            )
            return self.predict_query(state, task["query_x"], training)

        return map_tasks(solve_task, episodes)

    @mean_over_tasks
    def call(self, episodes, training=False):
        check_keys(episodes, may_have_more=True)
        if self.episode_signature is None:
            self.remember_signature(episodes)
        return self.solve(clear_padding(episodes), training=bool(training))

    @mean_over_tasks
    def meta_loss(self, episodes, query_y, sample_weight=None, training=True):
        """Return the outer loss and the predictions that it judges.

        The compiled loss over all queries of the meta-batch, plus the extra
        losses of the networks. Where `"query_mask"` marks padding, or queries
        belong to none of the classes, it is the mean over tasks of the loss
        over the other queries of each, zero for a task without any.

        Args:
            episodes: Dictionary of the meta-batch.
            query_y: `[T, Q, ...]`.
            sample_weight: Optional `[T, Q]`.
            training: Whether it is for a training step.

        Returns:
            `(loss, query_pred)`.
        """
        query_pred = self(episodes, training=training)
        queries = query_y, query_pred, sample_weight
        judged = loss_inputs(self.loss, episodes.get("query_mask"), *queries)
        loss = self.compute_loss(x=episodes, training=training, **judged)
        return loss, query_pred

    def meta_gradients(self, episodes, query_y, sample_weight=None):
        """Return the outer loss, predictions and meta-gradients.

        The gradients are those of the loss as the optimizer scales it, one for
        each of `trainable_variables`.
        """
        with separate_bias_gradients(), tf.GradientTape() as tape:
            loss, query_pred = self.meta_loss(episodes, query_y, sample_weight)
            scaled = self.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_variables)
        return loss, query_pred, gradients

    def scale_loss(self, loss):
        """Return the loss as it is differentiated: a part of the outer loss.

        Weighted by the tasks of this replica, where there are several, and
        scaled as the optimizer does it for half precision.
        """
        loss = weighted_loss(loss)
        return self.optimizer.scale_loss(loss) if self.optimizer else loss

    def train_step(self, data):
        """Take one outer step on a meta-batch, and return the logs."""
        data, count = without_empty(data, self)
        x, y, sample_weight = unpack_clear(data)
        loss, query_pred, gradients = gradients_of_replica(
            self, (x, y, sample_weight), count
        )
        weights = self.trainable_variables
        if weights:
            apply_gradients(self.optimizer, gradients, weights)
        else:
            warnings.warn("There are not any trainable weights.", stacklevel=2)
        judged = only_real(count, x, y, query_pred, sample_weight)
        return self._update_metrics(loss, *judged)

    def test_step(self, data):
        """Judge a meta-batch, and return the logs with their intervals."""
        data, count = without_empty(data, self)
        x, y, sample_weight = unpack_clear(data)
        loss, query_pred = self.meta_loss(x, y, sample_weight, training=False)
        x, *judged = only_real(count, x, y, query_pred, sample_weight)
        logs = self._update_metrics(loss, x, *judged)
        if self._compile_metrics is not None:
            self._task_intervals.update_from(
                self._compile_metrics, *judged, x.get("query_mask")
            )
        intervals = self._task_intervals.result()
        # Only of the metrics compiled now: `compile` can be called again.
        current = [n for n in intervals if n.removesuffix("_ci95") in logs]
        return {**logs, **{name: intervals[name] for name in current}}

    def predict_step(self, data):
        data, count = without_empty(data, self)
        return only_real(count, super().predict_step(data))[0]

    def _update_metrics(self, loss, x, y, query_pred, sample_weight):
        tasks = tf.shape(tf.nest.flatten(query_pred)[0])[0]
        # `compute_loss` divides by the replicas; the logged loss must not. A
        # replica without tasks has no loss.
        self._loss_tracker.update_state(
            tf.where(tasks > 0, loss * num_replicas(), 0), sample_weight=tasks
        )
        return self.compute_metrics(x, y, query_pred, sample_weight)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Show metrics the queries of all tasks that count, `[n, ...]`."""
        # Here, because Keras calls it by itself to build metrics on replicas.
        with queries_of_metrics(x, y, y_pred, sample_weight) as queries:
            return super().compute_metrics(x, *queries)

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None and self._distribute_strategy is not None:
            data_batch = first_batch(self.distribute_strategy, iterator)
            iterator = None
        super()._maybe_symbolic_build(iterator, data_batch)
        if self._distribute_strategy is not None and self._compile_metrics:
            with self.distribute_strategy.scope():
                self._task_intervals.build_for(self._compile_metrics)

    def _make_function(self, step_function):
        check_jit(self)
        step_function = for_workers(self.distribute_strategy, step_function)
        return super()._make_function(step_function)

    def _get_metrics_result_or_logs(self, logs):
        # Read anew outside of a step, sums are those over all replicas.
        pooled = {**self.get_metrics_result(), **self._task_intervals.result()}
        return {name: pooled.get(name, value) for name, value in logs.items()}

    def get_metrics_result(self):
        """Return the metrics that training has too: not the intervals."""
        logs = super().get_metrics_result()
        return {k: v for k, v in logs.items() if not k.endswith("_ci95")}

    def compile(self, *args, **kwargs):
        """Configure training; arguments as in Keras."""
        options = compile_options(self, *args, **kwargs)
        super().compile(**options)
        if options["auto_scale_loss"]:
            # Keras looks at the learner itself, which keeps full precision.
            self.optimizer = scale_in_float16(self, self.optimizer)

    def compile_from_config(self, config):
        """Compile as a file says; here because `compile` is overridden."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built and self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, *args, **kwargs):
        """Meta-train on a dataset of episodes; arguments as in Keras."""
        options = fit_options(self, x, *args, **kwargs)
        make_variables(self, x)
        return run_fit(super().fit, **options)

    def train_on_batch(self, *args, **kwargs):
        """Train on one meta-batch; arguments as in Keras."""
        return super().train_on_batch(**batch_options(self, *args, **kwargs))

    def evaluate(self, x=None, *args, **kwargs):
        """Meta-test on a dataset of episodes; arguments as in Keras."""
        check_strategy(self)
        if "_use_cached_eval_dataset" not in kwargs:
            check_episodes(self, x)
            make_variables(self, x)
        with lost_workers_named():
            results = super().evaluate(x, *args, **kwargs)
            self._task_intervals.warn_of_spoiled()
        return results

    def predict(self, x, *args, **kwargs):
        """Predict the queries of episodes; arguments as in Keras."""
        check_strategy(self)
        return super().predict(x, *args, **kwargs)

    def check_task(self, support_x, support_y, query_y=None, ways=None):
        """Raise a `ValueError` for a task that this learner cannot learn."""

    def adapted_model(self, support_x, support_y, support_mask=None):
        """Return a plain `keras.Model` that has learned one task.

        Args:
            support_x: Support examples, `[S, ...]`, or a nest.
            support_y: Their labels or targets, `[S, ...]`.
            support_mask: Optional `[S]`, true for the examples that count.

        Returns:
            A `keras.Model` from queries `[Q, ...]` to predictions.

        Raises:
            ValueError: If the support set is empty, holds NaN or does not
                match the learner.
        """
        support = check_support(self, support_x, support_y, support_mask)
        state = self.adapt(*support)
        return AdaptedModel(self, state)

    def estimate_memory(self, episodes):
        """Estimate the memory that a training step takes, before training.

        Tensors that are alive at the same time, weights, gradients and the
        optimizer's slots. The program itself, of some 100 MB, comes on top.

        Args:
            episodes: Dataset of episodes; its first meta-batch is looked at.

        Returns:
            Number of bytes.
        """
        check_episodes(self, episodes)
        batch = next(iter(episodes.take(1)))
        return estimate_step_memory(
            self, *keras.utils.unpack_x_y_sample_weight(batch)
        )

    def remember_signature(self, episodes):
        """Remember shapes and dtypes of episodes for `export`.

        Args:
            episodes: Dictionary of a meta-batch, or a dataset.
        """
        if isinstance(episodes, tf.data.Dataset):
            check_structure(episodes.element_spec)
            episodes = episodes.element_spec[0]
        check_keys(episodes, may_have_more=True)
        self.episode_signature = tf.nest.map_structure(
            _describe,
            {k: episodes[k] for k in ("support_x", "support_y", "query_x")},
        )

    def export(
        self,
        filepath,
        episodes=None,
        format="tf_saved_model",
        support_size=None,
        query_size=None,
        batch_size=None,
    ):
        """Write a model that adapts where neither Keras nor kerasmeta is.

        A SavedModel, for TensorFlow, has the functions `adapt(support_x,
        support_y) -> state`, `predict_query(state, query_x)` and
        `serve(support_x, support_y, query_x)`, each also as a signature. A
        LiteRT file, for phones and boards, has the signatures `adapt` and
        `predict_query`. Both are for one task, and for any number of support
        and query examples, unless sizes are given.

        Args:
            filepath: Folder to write, or, for LiteRT, file `NAME.tflite`.
            episodes: Dictionary of a meta-batch, or a dataset, that shows
                shapes and dtypes; by default what the learner was called with.
            format: `"tf_saved_model"` or `"litert"`, which needs sizes.
            support_size: Number of support examples, if it is fixed.
            query_size: Number of query examples, if it is fixed.
            batch_size: Number of tasks of a call, if not one without an axis:
                then every tensor begins with an axis of so many tasks.

        Raises:
            ValueError: If shapes and dtypes are not known yet, or the format
                or a size cannot be, or LiteRT cannot run the learner.
        """
        sizes = (support_size, query_size, batch_size)
        export_learner(self, filepath, episodes, format, *sizes)

    def load_weights(self, filepath, *args, **kwargs):
        """Load the weights of a file; arguments as in Keras."""
        with naming_damage(filepath):
            super().load_weights(filepath, *args, **kwargs)

    def save_own_variables(self, store):
        super().save_own_variables(store)
        save_extras(self, store)

    def load_own_variables(self, store):
        super().load_own_variables(load_extras(self, store))

    def get_config(self):
        config = super().get_config()
        return {**config, "episode_signature": self.episode_signature}


def _describe(tensor):
    """Describe one task's tensor by a string, which no nest takes apart."""
    return ":".join([tensor.dtype.name, *map(str, tensor.shape[2:])])
