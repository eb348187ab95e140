"""Two replicas update weights as one does, whatever the optimizer looks at."""

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("replica_updates_script.py")
NAMES = [
    "float16",
    "clipping",
    "rows",
    "averages",
    "callbacks",
]


def test_two_replicas_update_as_one():
    done = subprocess.run(
        [sys.executable, SCRIPT, "mirrored", *NAMES, "float16_of_policies"],
        capture_output=True,
        encoding="utf-8",
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal")


@pytest.mark.slow
def test_two_workers_update_as_one(run_workers):
    for text in run_workers(SCRIPT, "workers", *NAMES, timeout=1800):
        assert text.strip().endswith("equal")
