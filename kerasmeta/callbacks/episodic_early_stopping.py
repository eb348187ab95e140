"""Early stopping by what a metric reaches at least."""

import math

import keras


class EpisodicEarlyStopping(keras.callbacks.EarlyStopping):
    """Stops when the pessimistic bound of a metric no longer improves.

    Use it where validation has few tasks, or tasks that differ much: the mean
    of an epoch may then be high by a few easy tasks. What is monitored is the
    end of the 95 % confidence interval over tasks that is worse,

    `metric - metric_ci95`, or `metric + metric_ci95` where less is better,

    and all else is as in `keras.callbacks.EarlyStopping`. The best weights are
    those that most surely do well. An epoch whose metric is NaN or infinite is
    no improvement. Validate on the same tasks in each epoch,
    `num_episodes=` of them, or chance decides between epochs.

    Args:
        monitor: Name of a compiled metric in validation, such as
            `"val_accuracy"`; the loss has no interval.
        **kwargs: `min_delta`, `patience`, `mode`, `baseline`,
            `restore_best_weights`, `start_from_epoch` and `verbose`, as in
            Keras.

    Raises:
        ValueError: At the end of an epoch, if the metric has no interval.

    Example:

    >>> stopping = km.callbacks.EpisodicEarlyStopping(
    ...     "val_accuracy", mode="max", patience=5, restore_best_weights=True
    ... )

    In `fit` Keras calls, as of any callback,

    >>> stopping.set_model(keras.Sequential())
    >>> stopping.on_train_begin()
    >>> logs = {"val_accuracy": 0.75, "val_accuracy_ci95": 0.25}
    >>> stopping.on_epoch_end(0, logs)
    >>> float(stopping.best)
    0.5
    """

    def __init__(self, monitor="val_accuracy", **kwargs):
        super().__init__(monitor, **kwargs)

    def get_monitor_value(self, logs):
        value = super().get_monitor_value(logs)
        if value is None:
            return None
        half_width = logs.get(f"{self.monitor}_ci95")
        is_more_better = bool(self.monitor_op(1, 0))
        if half_width is not None and not math.isfinite(value):
            # Nothing would be better than NaN.
            return -math.inf if is_more_better else math.inf
        if half_width is None or math.isnan(half_width):
            raise ValueError(
                "`monitor` must be a metric with an interval: one that is "
                "compiled, such as `metrics=['accuracy']`, of validation on at "
                f"least two tasks. Received: monitor={self.monitor!r} with "
                f"{self.monitor}_ci95={half_width}, and logs of {sorted(logs)}"
            )
        return value - half_width if is_more_better else value + half_width
