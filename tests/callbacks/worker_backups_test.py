"""What workers send each other; the cluster is in `killed_replicas_test.py`."""

import concurrent.futures
import shutil
import threading
import types

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
    files = worker_backups.files_of_worker(tmp_path, strategy)
    assert files.folder == tmp_path
    assert worker_backups.newest_of_workers(files, strategy) is None
    files.write(3, {"position": {"total": 3}}, {})
    about, _ = worker_backups.newest_of_workers(files, strategy)
    assert about == {"position": {"total": 3}}


def test_backups_of_workers_are_not_overlooked(tmp_path):
    BackupFiles(tmp_path / "worker_1").write(3, {}, {})
    with pytest.raises(ValueError, match="1 workers and the .*worker_1"):
        worker_backups.files_of_worker(tmp_path, tf.distribute.get_strategy())


class Cluster:
    """Workers that are threads, and tell each other sums as a cluster does."""

    def __init__(self, count, chief=False):
        jobs = {"chief": ["host"]} if chief else {}
        jobs["worker"] = ["host"] * (count - chief)
        self._names = [(j, i) for j in jobs for i in range(len(jobs[j]))]
        self._spec = tf.train.ClusterSpec(jobs)
        self._barrier = threading.Barrier(count)
        self._words = {}

    def strategy(self, place):
        task_type, task_id = self._names[place]
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            self._spec, task_type=task_type, task_id=task_id
        )
        extended = types.SimpleNamespace(
            _in_multi_worker_mode=lambda: True, worker_devices=["CPU:0"]
        )
        return types.SimpleNamespace(
            cluster=self,
            place=place,
            cluster_resolver=resolver,
            extended=extended,
            num_replicas_in_sync=len(self._names),
        )

    def total(self, place, words):
        self._words[place] = words
        self._barrier.wait(timeout=60)
        total = sum(self._words.values())
        self._barrier.wait(timeout=60)
        return total

    def run(self, function):
        """Return what a function of the strategy returns on each, or raises."""

        def run_one(place):
            try:
                return function(self.strategy(place))
            except (ValueError, OSError) as error:
                return error

        with concurrent.futures.ThreadPoolExecutor(len(self._names)) as pool:
            return list(pool.map(run_one, range(len(self._names))))


class ThreadWorkers(worker_backups._Workers):
    def __init__(self, strategy):
        self._strategy, self.place = strategy, strategy.place

    def total(self, words):
        return self._strategy.cluster.total(self.place, words)


def write(files, step):
    about = {"position": {"total": step}}
    files.write(step, about, {"w": np.full([3], step)})


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A folder in which three workers left backups, the last one the newest.

    Workers are threads.
    """
    monkeypatch.setattr(worker_backups, "_Workers", ThreadWorkers)
    for place, step in enumerate([6, 6, 9]):
        write(BackupFiles(tmp_path / f"worker_{place}"), step)
    return tmp_path


def damage(folder):
    for path in folder.glob("backup-*.npz"):
        path.write_bytes(b"nothing")


def begun(folder):
    """Return a function that reads as a run of workers does, and its files."""

    def begin(strategy):
        files = worker_backups.files_of_worker(folder, strategy)
        return files, worker_backups.newest_of_workers(files, strategy)

    return begin


def test_fewer_workers_resume_from_the_newest_of_all(folders):
    both = Cluster(2).run(begun(folders))
    for place, (files, (about, arrays)) in enumerate(both):
        assert files.folder == folders / f"worker_{place}"
        assert about["position"]["total"] == 9
        np.testing.assert_array_equal(arrays["w"], [9, 9, 9])
        assert "worker_2" in files.describe()
    # Nothing is lost before there is another.
    assert (folders / "worker_2").exists()
    write(both[0][0], 12)
    assert not (folders / "worker_2").exists()
    write(both[1][0], 12)
    # A later run of three does not take it for its own.
    for _, (about, _) in Cluster(3).run(begun(folders)):
        assert about["position"]["total"] == 12


def test_fewer_workers_leave_nothing_when_they_end(folders):
    for files, _ in Cluster(2).run(begun(folders)):
        files.delete()
    assert list(folders.iterdir()) == []
    assert [backup for _, backup in Cluster(3).run(begun(folders))] == [
        None
    ] * 3


def test_a_worker_on_a_disk_of_its_own_sees_only_that(folders):
    """The machine that was the third is the second now."""
    disks = [folders / "first", folders / "second"]
    for disk, name in zip(disks, ("worker_0", "worker_2")):
        disk.mkdir()
        (folders / name).rename(disk / name)

    def begin(strategy):
        return begun(disks[strategy.place])(strategy)

    for files, (about, _) in Cluster(2).run(begin):
        assert about["position"]["total"] == 9
        write(files, 10)
    assert [len(list(disk.iterdir())) for disk in disks] == [1, 1]


@pytest.mark.filterwarnings("ignore:The backup")
def test_damage_of_workers_that_are_no_more_harms_nobody(folders):
    damage(folders / "worker_2")
    for _, (about, _) in Cluster(2).run(begun(folders)):
        assert about["position"]["total"] == 6


def test_other_folders_are_left_alone(folders):
    (folders / "worker_notes").mkdir()
    write(BackupFiles(folders / "chief_0"), 20)
    (_, (about, _)), _ = Cluster(2, chief=True).run(begun(folders))
    assert about["position"]["total"] == 20
    both = Cluster(2).run(begun(folders))
    for files, _ in both:
        files.delete()
    assert [path.name for path in folders.iterdir()] == ["worker_notes"]


@pytest.mark.filterwarnings("ignore:The backup")
@pytest.mark.parametrize("chief", [False, True])
def test_all_name_the_worker_whose_backups_are_damaged(folders, chief):
    if chief:
        (folders / "worker_2").rename(folders / "chief_0")
    damage(folders / "worker_1")
    errors = Cluster(3, chief).run(begun(folders))
    for error in errors:
        assert "All backups of worker_1 are damaged" in str(error)
        assert "resume from the newest backup of the others" in str(error)
        assert str([str(folders / "worker_1")]) in str(error)
    # What it says helps.
    shutil.rmtree(folders / "worker_1")
    for _, (about, _) in Cluster(3, chief).run(begun(folders)):
        assert about["position"]["total"] == 9


def test_all_name_the_worker_that_cannot_read(folders):
    damage(folders / "worker_1")
    in_the_way = folders / "worker_0" / "backup-000000000007.npz"
    in_the_way.mkdir()
    with pytest.warns(UserWarning, match="is damaged"):
        errors = Cluster(3).run(begun(folders))
    for error in errors:
        assert isinstance(error, OSError)
        assert "worker_0 cannot read a backup, and workers" in str(error)
    assert "Is a directory" in str(errors[0].__cause__)
    shutil.rmtree(folders / "worker_1")
    in_the_way.rmdir()
    for _, (about, _) in Cluster(3).run(begun(folders)):
        assert about["position"]["total"] == 9


@pytest.mark.filterwarnings("ignore:The backup")
def test_where_all_are_damaged_nothing_is_promised(folders):
    for name in ("worker_0", "worker_1", "worker_2"):
        damage(folders / name)
    for error in Cluster(3).run(begun(folders)):
        assert "of worker_0 and worker_1 and worker_2 are" in str(error)
        assert "they train from the beginning" in str(error)
