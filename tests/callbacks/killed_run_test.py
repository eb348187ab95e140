"""Runs that are killed ten times end as one that is not."""

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
    with np.load(whole) as expected, np.load(killed) as received:
        assert expected.files == received.files
        for name in expected.files:
            np.testing.assert_array_equal(received[name], expected[name])
