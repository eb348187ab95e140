"""Backups of workers that train in step, and resume in step.

Each worker writes its own, because workers may share no disk. One that is
killed may lack the last backup that the others have, or its whole disk; so
they agree on one, and who does not have it gets it from who does.

Where there were more workers, their folders are left. Who sees them reads them
too, and deletes them when it has a backup of its own, or has ended: a later run
of as many workers would take them for its own.
"""

import contextlib
import io
import pathlib
import re

import numpy as np
import tensorflow as tf

from kerasmeta.callbacks.backup_files import BackupFiles
from kerasmeta.callbacks.backup_files import read_backup
from kerasmeta.callbacks.backup_files import write_backup
from kerasmeta.learners.replicas import num_workers

_NAME = re.compile(r"(chief|worker)_\d+")
# What a worker says of its steps that cannot read any of its backups.
_DAMAGED = -1
# What one says to whom the disk or the memory gives none of them.
_UNREADABLE = -2


def files_of_worker(backup_dir, strategy):
    """Return the `BackupFiles` of this worker, and of no other.

    Args:
        backup_dir: Path of the folder of the run, which workers may share.
        strategy: `tf.distribute.Strategy` of the learner.

    Raises:
        ValueError: If there are backups of a process alone where there are
            workers now, or the other way round: they would not be seen.
    """
    folder = pathlib.Path(backup_dir)
    workers = num_workers(strategy)
    unseen = "worker_*/backup-*.npz" if workers == 1 else "backup-*.npz"
    unseen = [str(path) for path in folder.glob(unseen)]
    if unseen:
        raise ValueError(
            "Workers continue what workers began, and a process alone what one "
            "alone began. Use another `backup_dir`, or delete this one. "
            f"Received: {workers} workers and the backups {unseen}"
        )
    if workers == 1:
        return BackupFiles(folder)
    resolver = strategy.cluster_resolver
    name = f"{resolver.task_type}_{resolver.task_id}"
    names = _names_of_workers(strategy)
    left = [
        path
        for path in sorted(folder.glob("*_*"))
        if _NAME.fullmatch(path.name) and path.name not in names
    ]
    return _WorkerFiles(folder / name, map(BackupFiles, left))


def newest_of_workers(files, strategy):
    """Return the newest backup that any worker has, the same on all of them.

    All workers have to call it.

    Args:
        files: What `files_of_worker` returned here.
        strategy: `tf.distribute.Strategy` of the learner.

    Raises:
        ValueError: If all backups of a worker are damaged; on each of them.
        OSError: If a worker cannot read a backup; on each of them.
    """
    if num_workers(strategy) == 1:
        return files.read()
    workers = _Workers(strategy)
    backup, steps = _read_together(files, workers, strategy)
    sender = int(np.argmax(steps))
    if np.all(steps == steps[sender]):
        return backup
    words = _pack(backup) if workers.place == sender else np.zeros([0], "int32")
    size = workers.numbers(len(words))[sender]
    if workers.place != sender:
        words = np.zeros([size], "int32")
    words = workers.total(words)
    return backup if workers.place == sender else _unpack(words)


def _read_together(files, workers, strategy):
    """Return the backup here, or `None`, and what all say of their steps."""
    backup = trouble = None
    try:
        backup = files.read()
        mine = _steps(backup)
    except ValueError as error:
        mine, trouble = _DAMAGED, error
    except (OSError, MemoryError) as error:
        mine, trouble = _UNREADABLE, error
    # All have to hear of it: one that ended here would keep them waiting.
    steps = workers.numbers(mine)
    names = _names_of_workers(strategy)
    damaged, unreadable = (
        [name for name, n in zip(names, steps) if n == what]
        for what in (_DAMAGED, _UNREADABLE)
    )
    if unreadable:
        raise _unreadable(unreadable) from trouble
    if damaged:
        raise _all_damaged(files.folder.parent, damaged, max(steps) > 0) from (
            trouble
        )
    return backup, steps


def _names_of_workers(strategy):
    """Return the names of the folders of all workers, in their order."""
    cluster = strategy.cluster_resolver.cluster_spec().as_dict()
    return [
        f"{job}_{i}"
        for job in ("chief", "worker")
        for i in range(len(cluster.get(job, [])))
    ]


def _steps(backup):
    """Return the steps before a backup and one more; 0 if there is none."""
    return backup[0]["position"]["total"] + 1 if backup else 0


def _all_damaged(backup_dir, names, others_have_one):
    """Return the error that says which workers have damaged backups only."""
    folders = [str(backup_dir / name) for name in names]
    begins = (
        "resume from the newest backup of the others"
        if others_have_one
        else "train from the beginning"
    )
    return ValueError(
        f"All backups of {' and '.join(names)} are damaged, and workers resume "
        "together. Delete the folder of each of these, where it runs, and "
        f"start all workers again: they {begins}. "
        f"Received: damaged backups in {folders}"
    )


def _unreadable(names):
    """Return the error that says which workers cannot read a backup."""
    return OSError(
        f"{' and '.join(names)} cannot read a backup, and workers resume "
        "together. The error there says why. Mend that, and start all workers "
        "again"
    )


class _WorkerFiles(BackupFiles):
    """Those of a worker, and of workers before it that are no more.

    Args:
        folder: Path of the folder of this worker.
        left: `BackupFiles` of the others.
    """

    def __init__(self, folder, left):
        super().__init__(folder)
        self._left = list(left)

    def write(self, *backup):
        super().write(*backup)
        self._delete_left()

    def read(self):
        newest = super().read()
        for files in self._left:
            # Damage there has been warned of, and harms nobody.
            with contextlib.suppress(ValueError):
                backup = files.read()
                if _steps(backup) > _steps(newest):
                    newest, self._good = backup, files._good
        return newest

    def delete(self):
        super().delete()
        self._delete_left()

    def _delete_left(self):
        for files in self._left:
            files.delete()
        self._left = []


class _Workers:
    """What workers tell each other, as sums over all of them."""

    def __init__(self, strategy):
        self._strategy = strategy
        self._replicas = len(strategy.extended.worker_devices)
        places = strategy.run(_place_of_replica)
        self._first = int(strategy.experimental_local_results(places)[0])
        self.place = self._first // self._replicas

    def total(self, words):
        """Return the sum of vectors of int32, one of each worker."""
        # As an array it would be in the graph, which holds less than 2 GB.
        words = tf.convert_to_tensor(words)

        @tf.function(autograph=False)
        def add():
            def on_replica():
                is_first = _place_of_replica() == self._first
                mine = tf.where(is_first, words, 0)
                context = tf.distribute.get_replica_context()
                return context.all_reduce("SUM", mine)

            return self._strategy.run(on_replica)

        return self._strategy.experimental_local_results(add())[0].numpy()

    def numbers(self, number):
        """Return a vector of the numbers of all workers."""
        own = np.zeros([num_workers(self._strategy)], "int32")
        own[self.place] = number
        return self.total(own)


def _place_of_replica():
    context = tf.distribute.get_replica_context()
    return tf.convert_to_tensor(context.replica_id_in_sync_group)


def _pack(backup):
    file = io.BytesIO()
    write_backup(file, *backup)
    # What follows the end of a zip file is no part of it.
    missing = -file.tell() % 4
    file.write(bytes(missing))
    return np.frombuffer(file.getvalue(), "int32")


def _unpack(words):
    return read_backup(io.BytesIO(words.tobytes()))
