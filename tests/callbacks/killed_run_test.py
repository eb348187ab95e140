"""Runs that are killed, or meet a full disk, end as one that is not."""

import os
import pathlib
import random
import subprocess
import sys

import numpy as np
import pytest

from kerasmeta.callbacks.backup_files import BackupFiles

pytestmark = pytest.mark.slow

PROGRAM = pathlib.Path(__file__).with_name("killed_run.py")


def start(*args):
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), *map(str, args)],
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(*args):
    with start(*args) as process:
        process.communicate()
    assert process.returncode == 0


def kill_after(steps, *args):
    """Kill a run with SIGKILL when it has begun so many steps."""
    with start(*args) as process:
        for _ in range(steps):
            assert process.stdout.readline(), "it has ended before"
        process.kill()
    assert process.returncode == -9


def check_same(whole, resumed):
    with np.load(whole) as expected, np.load(resumed) as received:
        assert expected.files == received.files
        for name in expected.files:
            np.testing.assert_array_equal(received[name], expected[name])


@pytest.mark.parametrize(
    "family", ["MAML", "ProtoNet", "ABML", "MANN", "SNAIL", "NeuralProcess"]
)
def test_ten_kills(family, tmp_path):
    generator = random.Random(family)
    whole, killed = tmp_path / "whole.npz", tmp_path / "killed.npz"
    finish(family, tmp_path / "other_backups", whole)
    folder, positions = tmp_path / "backups", []
    for _ in range(10):
        kill_after(generator.randint(3, 7), family, folder, killed)
        backup = BackupFiles(folder).read()
        positions.append(backup[0]["position"]["total"] if backup else 0)
    assert positions == sorted(positions) and positions[-1] > 15
    finish(family, folder, killed)
    assert not folder.exists()
    check_same(whole, killed)


def test_a_full_disk(tmp_path):
    """No file may grow as large as a backup, once there is one."""
    resource = pytest.importorskip("resource")
    whole, stopped = tmp_path / "whole.npz", tmp_path / "stopped.npz"
    folder = tmp_path / "backups"
    finish("ProtoNet", tmp_path / "other_backups", whole)
    kill_after(6, "ProtoNet", folder, stopped)
    backups = sorted(os.listdir(folder))
    limit = (2_000, 2_000)
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "ProtoNet", str(folder), str(stopped)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("OSError: [Errno 27] No backup could be written")
    assert backups[-1] in message and "is kept. Make room" in message
    assert sorted(os.listdir(folder)) == backups
    finish("ProtoNet", folder, stopped)
    check_same(whole, stopped)
