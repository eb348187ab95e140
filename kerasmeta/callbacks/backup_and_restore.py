"""Backups of a training run, and going on from them."""

import contextlib
import math
import pathlib

import keras
import numpy as np

from kerasmeta.callbacks.callback_states import CallbackStates
from kerasmeta.callbacks.episode_position import EpisodePosition
from kerasmeta.callbacks.resumable_fit import resumable_fit
from kerasmeta.callbacks.training_state import TrainingState
from kerasmeta.callbacks.training_state import is_finite
from kerasmeta.callbacks.worker_backups import files_of_worker
from kerasmeta.callbacks.worker_backups import newest_of_workers
from kerasmeta.learners.replicas import num_workers
from kerasmeta.utils import check_positive_int


class BackupAndRestore(keras.callbacks.Callback):
    """Backs up training, and resumes it as if it had not been interrupted.

    Use it in each long run. After a crash, a power cut or a kill, start the
    same program again: `fit` resumes after the step of the last backup and ends
    with the weights of a run that was not interrupted, bit for bit on a CPU.

    It is called as `keras.callbacks.BackupAndRestore`, which restores weights,
    optimizer and epoch. This one resumes in the middle of an epoch, too, and
    continues the stream of episodes where it was, at no cost however far. It
    keeps the optimizer, the metrics, seeds of dropout and of learners that
    draw, the history and the patience of other callbacks. It keeps the last two
    backups, with checksums: where one is damaged, the one before is used. A
    loss or weights that are NaN or infinite are an error and never backed up.

    On several replicas metrics and history are the same to rounding. Of several
    workers each writes to a folder of its own in `backup_dir`, and all resume
    from the newest backup that one of them has.

    Args:
        backup_dir: Path of a folder for the backups of this run, and of no
            other. Workers give the same one, whether they share a disk or not.
        save_freq: `"epoch"`, or the number of meta-batches between backups.
        delete_checkpoint: Whether the backups are deleted when `fit` ends. With
            `False`, call `delete_backups` when what was trained is saved.

    Raises:
        ValueError: If an argument is not what it should be; in `fit`, if the
            backup is of another learner or other `steps_per_epoch`, if all
            backups are damaged, or if the episodes are no `tf.data.Dataset`.
        FloatingPointError: In `fit`, if the loss is NaN or infinite.
        OSError: In `fit`, if a backup cannot be written.

    Example:

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> learner = km.learners.MAML(km.backbones.mlp((1,), 1))
    >>> learner.compile("adam", "mse")
    >>> backup = km.callbacks.BackupAndRestore(folder.name, save_freq=2)
    >>> history = learner.fit(
    ...     km.tasks.Sinusoid().episodes(batch_size=2),
    ...     steps_per_epoch=4, verbose=0, callbacks=[backup],
    ... )
    """

    def __init__(self, backup_dir, save_freq="epoch", delete_checkpoint=True):
        super().__init__()
        if not backup_dir:
            raise ValueError(
                "`backup_dir` must be the path of a folder. "
                f"Received: backup_dir={backup_dir!r}"
            )
        if "://" in str(backup_dir):
            raise ValueError(
                "`backup_dir` must be the path of a folder of this machine. "
                "Mount a bucket, as with gcsfuse, and give the folder that it "
                f"is mounted at. Received: backup_dir={backup_dir!r}"
            )
        if save_freq != "epoch":
            check_positive_int("save_freq", save_freq)
        self.backup_dir = backup_dir
        self.save_freq = save_freq
        self.delete_checkpoint = delete_checkpoint
        self._position = self._train_function = self._files = None

    def run_fit(self, fit, *args, **kwargs):
        """Run Keras' `fit`, from where the backup is; learners call this."""
        return resumable_fit(self, fit, *args, **kwargs)

    def prepare(self, model, episodes, steps_per_epoch, others):
        """Take what `fit` was called with, and look for a backup.

        Args:
            model: Learner that is trained.
            episodes: `tf.data.Dataset`.
            steps_per_epoch: Integer or `None`.
            others: List of the other callbacks, which come before this one.

        Returns:
            The epoch to begin with, or `None` if there is no backup.
        """
        strategy = model.distribute_strategy
        self._position = EpisodePosition(
            episodes,
            steps_per_epoch,
            model.steps_per_execution,
            num_workers(strategy),
        )
        self._others = others
        self._since_backup = 0
        self._train_function = None
        self._files = files_of_worker(self.backup_dir, strategy)
        self._backup = newest_of_workers(self._files, strategy)
        if self._backup is None:
            return None
        self._position.resume(self._backup[0]["position"])
        return self._position.epoch

    def release(self, model):
        """Let go of what `fit` was called with, whichever way it ended."""
        if self._train_function is not None:
            model.train_function = self._train_function
        self._train_function = self._position = self._backup = None
        self._others = self._iterator = None

    @property
    def num_batches(self):
        """Number of meta-batches of an epoch, or `None` if not known."""
        return self._position.num_batches

    def is_replayed(self, batch):
        """Whether a run before has trained on this batch of this epoch."""
        return batch < self._position.replayed

    def on_train_begin(self, logs=None):
        if self._position is None:
            raise ValueError(
                "`km.callbacks.BackupAndRestore` works in the `fit` of "
                "kerasmeta's learners, in a list of callbacks. For other "
                "models there is `keras.callbacks.BackupAndRestore`. "
                f"Received: model={self.model.name!r}"
            )
        self._states = CallbackStates(self._others)
        if self._backup is not None:
            self._resume()

    def _resume(self):
        position, train = self._position, self.model.train_function
        # A step for nothing makes all variables; then they are set.
        train(position.first_iterator(self.model))
        self._restore()
        resumed_epoch = position.epoch
        replays = position.replayed // self.model.steps_per_execution
        logs = self._backup[0]["logs"]
        self._iterator = position.iterator(self.model)
        self._train_function = train

        def train_on(iterator):
            nonlocal replays
            if replays:
                replays -= 1
                return logs
            if position.is_one_stream or position.epoch == resumed_epoch:
                iterator = self._iterator
            return train(iterator)

        self.model.train_function = train_on

    def _restore(self):
        about, arrays = self._backup
        groups = {"variables": {}, "callbacks": {}}
        for name, array in arrays.items():
            group, _, name = name.partition("/")
            groups[group][name] = array
        TrainingState(self.model).set(groups["variables"])
        self._states.set(about["callbacks"], groups["callbacks"])

    def on_epoch_begin(self, epoch, logs=None):
        self._position.epoch = epoch
        if self._position.replayed:
            # Keras has reset the metrics, and other callbacks have begun an
            # epoch that had begun before.
            self._restore()

    def on_train_batch_begin(self, batch, logs=None):
        self._position.batch = batch

    def on_train_batch_end(self, batch, logs=None):
        self._since_backup += self._position.advance(batch)
        logs = logs or {}
        loss = logs.get("loss", 0.0)
        if not math.isfinite(loss):
            self._raise_not_finite(f"The loss is {loss}")
        if self.save_freq != "epoch" and self._since_backup >= self.save_freq:
            self._write(logs)

    def on_epoch_end(self, epoch, logs=None):
        self._position.end_epoch()
        self._backup = None  # It has the size of the model.
        # A run that stops early has ended, and would not know when it resumes.
        if self.save_freq == "epoch" and not self.model.stop_training:
            self._write({})  # No step will be replayed.

    def on_train_end(self, logs=None):
        if self.delete_checkpoint:
            self.delete_backups()

    def delete_backups(self):
        """Delete the backups of the last `fit`: those of this worker.

        Until then, the same program would find that the run is over, and have
        what was trained.
        """
        if self._files is None:
            raise ValueError(
                "`delete_backups` is for after `fit`, which tells what are "
                "the backups of this process. "
                f"Received: backup_dir={str(self.backup_dir)!r}, no `fit` yet"
            )
        self._files.delete()
        with contextlib.suppress(OSError):
            # Workers have folders in it, and the last one deletes it.
            pathlib.Path(self.backup_dir).rmdir()

    def _write(self, logs):
        if not is_finite(self.model.trainable_variables):
            self._raise_not_finite("Weights are NaN or infinite")
        variables = TrainingState(self.model).get()
        plain, arrays = self._states.get()
        about = {
            "position": self._position.get(),
            "logs": {k: np.asarray(v).tolist() for k, v in logs.items()},
            "callbacks": plain,
        }
        self._files.write(
            self._position.total,
            about,
            {
                **{f"variables/{k}": v for k, v in variables.items()},
                **{f"callbacks/{k}": v for k, v in arrays.items()},
            },
        )
        self._since_backup = 0

    def _raise_not_finite(self, what):
        raise FloatingPointError(
            f"{what} after {self._position.describe()}. "
            f"{self._files.describe()} Look at these episodes, or compile with "
            "`clipnorm`, and call `fit` again."
        )
