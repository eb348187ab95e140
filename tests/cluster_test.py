"""The program for a cluster, as two processes and alone."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasmeta as km  # noqa: F401

PROGRAM = pathlib.Path(__file__).parents[1] / "docs/cluster/train.py"
OPTIONS = ["--steps", "3", "--epochs", "2", "--tasks", "4", "--episodes", "7"]


def weights_in(folder, place):
    path = folder / f"worker_{place}" / "learner.keras"
    return keras.models.load_model(path).get_weights()


@pytest.mark.slow
def test_two_workers_train_what_one_does(run_workers, tmp_path):
    together, alone = tmp_path / "together", tmp_path / "alone"
    texts = run_workers(PROGRAM, *OPTIONS, "--folder", str(together))
    done = subprocess.run(
        [sys.executable, PROGRAM, *OPTIONS, "--folder", str(alone)],
        env={**os.environ, "PYTHONPATH": str(PROGRAM.parents[2])},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second, expected = (
        json.loads(text.splitlines()[-1]) for text in [*texts, done.stdout]
    )
    assert first == second
    assert first.pop("workers") == 2 and expected.pop("workers") == 1
    assert first.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(first[name], value, rtol=1e-5, err_msg=name)
    for place in range(2):
        for a, b in zip(weights_in(together, place), weights_in(alone, 0)):
            np.testing.assert_allclose(a, b, atol=1e-5)
