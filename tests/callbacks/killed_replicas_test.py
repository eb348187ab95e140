"""Runs on replicas that are interrupted end as those that are not."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from kerasmeta.callbacks.backup_files import BackupFiles

pytestmark = pytest.mark.slow

SCRIPT = pathlib.Path(__file__).with_name("killed_replicas_script.py")


@pytest.mark.parametrize("family", ["MAML", "ProtoNet", "NeuralProcess"])
def test_two_devices(family, tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, "mirrored", family, tmp_path / "backups"],
        capture_output=True,
        encoding="utf-8",
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal")
    assert not (tmp_path / "backups").exists()


def kill_one(workers, place, steps):
    """Kill one of two workers; return the last words of the other."""
    victim, survivor = workers.processes[place], workers.processes[1 - place]
    for _ in range(steps):
        assert victim.stdout.readline(), "it has ended before"
    victim.kill()
    # TensorFlow waits ten seconds for a heartbeat.
    outputs = workers.communicate(timeout=120)
    assert victim.returncode == -9
    assert survivor.returncode == 1
    return outputs[1 - place][1]


def steps_in(folder):
    """Return after how many steps the newest backup of each worker is."""
    backups = [BackupFiles(folder / f"worker_{i}").read() for i in range(2)]
    return [backup and backup[0]["position"]["total"] for backup in backups]


@pytest.mark.parametrize("way", ["whole", "by_stride"])
def test_a_killed_worker(way, start_workers, run_workers, tmp_path):
    folder = tmp_path / "backups"

    def arguments(backups, result):
        paths = tmp_path / backups, tmp_path / result
        return SCRIPT, "workers", "ProtoNet", *paths, way

    run_workers(*arguments("other_backups", "whole"))
    assert not (tmp_path / "other_backups").exists()
    for place, steps in ((1, 6), (0, 4), (1, 4)):
        workers = start_workers(*arguments("backups", "killed"))
        words = kill_one(workers, place, steps)
        assert "ConnectionError: Another worker has ended" in words, words
    first, second = steps_in(folder)
    assert min(first, second) >= 6 and abs(first - second) <= 3
    # A worker on another machine has no backups of its own; those that one of
    # three left take part, and are cleared away.
    (folder / "worker_0").rename(folder / "worker_2")
    run_workers(*arguments("backups", "killed"))
    assert not folder.exists()
    for place in range(2):
        with (
            np.load(tmp_path / f"whole_{place}.npz") as expected,
            np.load(tmp_path / f"killed_{place}.npz") as received,
        ):
            assert expected.files == received.files
            for name in expected.files:
                tolerance = 0 if name.startswith("exact") else 1e-6
                np.testing.assert_allclose(
                    received[name], expected[name], rtol=tolerance
                )
