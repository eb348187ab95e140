"""Backups of workers that train in step, and resume in step.

Each worker writes its own, because workers may share no disk. One that is
killed may lack the last backup that the others have, or its whole disk; so
they agree on one, and who does not have it gets it from who does.
"""

import io
import pathlib

import numpy as np
import tensorflow as tf

from kerasmeta.callbacks.backup_files import read_backup
from kerasmeta.callbacks.backup_files import write_backup
from kerasmeta.learners.replicas import num_workers


def folder_of_worker(backup_dir, strategy):
    """Return the folder for the backups of this worker, and of no other.

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
        return folder
    resolver = strategy.cluster_resolver
    return folder / f"{resolver.task_type}_{resolver.task_id}"


def newest_of_workers(backup, strategy):
    """Return the newest backup that any worker has, the same on all of them.

    All workers have to call it.

    Args:
        backup: What `BackupFiles.read` returned here.
        strategy: `tf.distribute.Strategy` of the learner.
    """
    if num_workers(strategy) == 1:
        return backup
    workers = _Workers(strategy)
    # One more, for zero is what those say who have none.
    steps = backup[0]["position"]["total"] + 1 if backup else 0
    steps = workers.numbers(steps)
    sender = int(np.argmax(steps))
    if np.all(steps == steps[sender]):
        return backup
    words = _pack(backup) if workers.place == sender else np.zeros([0], "int32")
    size = workers.numbers(len(words))[sender]
    if workers.place != sender:
        words = np.zeros([size], "int32")
    words = workers.total(words)
    return backup if workers.place == sender else _unpack(words)


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
