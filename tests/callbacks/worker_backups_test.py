"""What workers send each other; the cluster is in `killed_replicas_test.py`."""

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.callbacks import worker_backups
from kerasmeta.callbacks.backup_files import BackupFiles


@pytest.mark.parametrize("size", range(4))
def test_a_backup_arrives_as_it_was_sent(size):
    about = {"position": {"total": 3}, "padding": "x" * size}
    arrays = {"w": np.arange(5.0), "n": np.array([True])}
    words = worker_backups._pack((about, arrays))
    assert words.dtype == "int32"
    received, received_arrays = worker_backups._unpack(words)
    assert received == about
    np.testing.assert_equal(received_arrays, arrays)


def test_what_one_sends_arrives():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    workers = worker_backups._Workers(strategy)
    words = np.arange(1000, dtype="int32") - 500
    np.testing.assert_array_equal(workers.total(words), words)
    np.testing.assert_array_equal(workers.numbers(7), [7])


def test_one_process_keeps_to_its_folder(tmp_path):
    strategy = tf.distribute.get_strategy()
    assert worker_backups.folder_of_worker(tmp_path, strategy) == tmp_path
    backup = ({"position": {"total": 3}}, {})
    assert worker_backups.newest_of_workers(backup, strategy) is backup
    assert worker_backups.newest_of_workers(None, strategy) is None


def test_backups_of_workers_are_not_overlooked(tmp_path):
    BackupFiles(tmp_path / "worker_1").write(3, {}, {})
    with pytest.raises(ValueError, match="1 workers and the .*worker_1"):
        worker_backups.folder_of_worker(tmp_path, tf.distribute.get_strategy())
