import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
def test_the_benchmark_runs():
    options = ["--episodes", "100", "--direct-episodes", "8"]
    done = subprocess.run(
        [sys.executable, "benchmarks/cached_features.py", *options]
        + ["--images-per-class", "30", "--filters", "32"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    # How much depends on what else the machine does.
    assert facts["faster"] > 0
    assert 0 <= facts["accuracy"] <= 1
