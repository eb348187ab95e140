"""Keras' `fit`, which can begin in the middle of an epoch."""

import inspect

import keras
import tensorflow as tf


def resumable_fit(backup, fit, *args, **kwargs):
    """Call the `fit` of a model; resume where its backup is.

    Args:
        backup: `BackupAndRestore`, which is among the callbacks.
        fit: Bound method, Keras' own.
        *args: As for `fit`.
        **kwargs: As for `fit`.
    """
    call = inspect.signature(fit).bind(*args, **kwargs)
    call.apply_defaults()
    options, model = call.arguments, fit.__self__
    callbacks = tf.nest.flatten(options["callbacks"])
    # It comes last, so that a backup has what the others did in a step.
    others = [c for c in callbacks if c is not backup]
    if not any(isinstance(c, keras.callbacks.History) for c in others):
        others.append(keras.callbacks.History())
    try:
        epoch = backup.prepare(
            model, options["x"], options["steps_per_epoch"], others
        )
        if epoch is not None:
            options["initial_epoch"] = epoch
        options["callbacks"] = _Callbacks(
            backup,
            [*others, backup],
            model=model,
            add_progbar=options["verbose"] != 0,
            verbose=options["verbose"],
            epochs=options["epochs"],
            steps=backup.num_batches,
        )
        return fit(*call.args, **call.kwargs)
    finally:
        backup.release(model)


class _Callbacks(keras.callbacks.CallbackList):
    """Callbacks that do not hear of steps that a run before has taken.

    Keras counts each epoch from its first step. In an epoch that resumes, the
    steps before are replayed without doing anything, and nobody is told.
    """

    def __init__(self, backup, callbacks, **kwargs):
        self._backup = backup
        super().__init__(callbacks, **kwargs)

    def on_train_batch_begin(self, batch, logs=None):
        if not self._backup.is_replayed(batch):
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        if not self._backup.is_replayed(batch):
            super().on_train_batch_end(batch, logs)
