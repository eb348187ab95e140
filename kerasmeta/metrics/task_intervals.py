"""Confidence intervals over tasks."""

import warnings

import keras
import tensorflow as tf

from kerasmeta.metrics.foreign_queries import known_queries
from kerasmeta.metrics.foreign_queries import whole_episodes
from kerasmeta.ops import stack_tasks
from kerasmeta.ops import task_at

# Two-sided 95 % quantile of the normal distribution.
Z95 = 1.959963984540054


@keras.saving.register_keras_serializable(package="kerasmeta")
class TaskIntervals(keras.metrics.Metric):
    """95 % confidence intervals over tasks, for any compiled metrics.

    Queries of one task are not independent, so an interval over queries would
    be far too narrow. Each task gives one value `v_t` of each metric, and the
    half-width reported is

    `1.96 * std(v) / sqrt(number of tasks)`, with `std` over `n - 1`.

    It is NaN until there are two tasks, and where a task gives NaN, of which
    `evaluate` warns. Metrics whose result is a vector have
    none. Learners own one; you meet it as the `NAME_ci95` of `evaluate`.

    Example:

    >>> intervals = km.metrics.TaskIntervals()
    >>> intervals.update_state({"accuracy": tf.constant([0.8, 0.6, 1.0])})
    >>> round(float(intervals.result()["accuracy_ci95"]), 4)
    0.2263
    """

    def __init__(self, name="task_intervals", **kwargs):
        super().__init__(name=name, **kwargs)
        self._sums = {}

    def update_state(self, values):
        """Add tasks: a dictionary `metric name -> value of each task [T]`."""
        for name, value in values.items():
            # Sums in float64, so that the variance does not cancel; sums and
            # not means, so that replicas can be added.
            value = tf.cast(value, "float64")
            self.make_sums([name])
            is_spoiled = tf.cast(~tf.math.is_finite(value), "float64")
            ones = tf.ones_like(value)
            moments = [ones, value, tf.square(value), is_spoiled]
            self._sums[name].assign_add(tf.reduce_sum(moments, axis=1))

    def make_sums(self, names):
        """Make the variables for metrics with these names."""
        for name in names:
            if name not in self._sums:
                self._sums[name] = self.add_variable(
                    (4,), "zeros", dtype="float64", name=f"{name}_sums"
                )

    def build_for(self, metrics):
        """Make the variables for a built metric, as `update_from` takes it."""
        try:
            results = metrics.stateless_result(metrics.variables)
        except Exception:
            # Some, such as `F1Score`, make their variables when they are first
            # updated, and have no result before, or whatever error: theirs or
            # those of users. One that stays is raised after an update.
            return
        self.make_sums(_scalars(results))

    def update_from(
        self, metrics, y, y_pred, sample_weight=None, query_mask=None
    ):
        """Add tasks by running Keras metrics on each task alone.

        Tasks without any query that counts are left out.

        Args:
            metrics: Built `keras.metrics.Metric` whose result is a dictionary.
            y: Targets, `[T, Q, ...]`.
            y_pred: Predictions, `[T, Q, ...]`.
            sample_weight: Optional `[T, Q]`.
            query_mask: Optional `[T, Q]`, true for real queries.
        """
        tasks = {"y": y, "y_pred": y_pred}
        if sample_weight is not None:
            tasks["sample_weight"] = sample_weight
        if query_mask is not None:
            tasks["query_mask"] = query_mask
        known = known_queries(query_mask, y)
        if known is not None:
            tasks["known"] = known

        def one_task(task):
            mask, known = task.pop("query_mask", None), task.pop("known", None)
            whole = _named(task)
            if known is not None:
                task = tf.nest.map_structure(
                    lambda t: tf.boolean_mask(t, known), task
                )
            state = metrics.stateless_reset_state()
            with whole_episodes(**whole, query_mask=mask):
                state = metrics.stateless_update_state(state, **_named(task))
            return _scalars(metrics.stateless_result(state))

        first = tf.nest.flatten(y_pred)[0]
        if first.shape[0] is None:
            dtype = keras.config.floatx()
            names = list(_scalars(metrics.stateless_result(metrics.variables)))
            values = tf.map_fn(
                one_task,
                tasks,
                fn_output_signature={name: dtype for name in names},
            )
        else:
            values = stack_tasks(
                [one_task(task_at(tasks, i)) for i in range(first.shape[0])]
            )
        if known is not None:
            # A task without queries that count says nothing; accuracy is 0.
            is_judged = tf.reduce_any(tf.cast(known, "bool"), axis=1)
            values = {
                name: tf.boolean_mask(value, is_judged)
                for name, value in values.items()
            }
        self.update_state(values)

    def result(self):
        """Return a dictionary `NAME_ci95 -> half-width`."""
        return {
            f"{name}_ci95": _half_width(sums)
            for name, sums in self._sums.items()
        }

    def warn_of_spoiled(self):
        """Warn of metrics that are not finite for some of the tasks."""
        for name, sums in self._sums.items():
            count, _, _, spoiled = tf.convert_to_tensor(sums).numpy()
            if spoiled:
                warnings.warn(
                    f"`{name}` is NaN or infinite for {spoiled:.0f} of "
                    f"{count:.0f} tasks, and so are its interval and, unless "
                    "it leaves such tasks out, its mean. Look for them with "
                    "`predict`, one meta-batch at a time.",
                    stacklevel=3,
                )


def _scalars(results):
    """Return the results that are one number; others have no interval."""
    return {
        name: value
        for name, value in results.items()
        if tf.convert_to_tensor(value).shape.rank == 0
    }


def _named(task):
    return {
        "y_true": task["y"],
        "y_pred": task["y_pred"],
        "sample_weight": task.get("sample_weight"),
    }


def _half_width(sums):
    count, total, squares, _ = tf.unstack(tf.convert_to_tensor(sums))
    variance = (squares - tf.square(total) / count) / (count - 1)
    # Rounding can leave a tiny negative variance where all tasks are equal.
    width = Z95 * tf.sqrt(tf.maximum(variance, 0) / count)
    width = tf.where(count > 1, width, tf.constant(float("nan"), "float64"))
    return tf.cast(width, keras.config.floatx())
