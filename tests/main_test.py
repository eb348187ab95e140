import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from kerasmeta.__main__ import STEPS
from kerasmeta.__main__ import parse_options

ROOT = pathlib.Path(__file__).parents[1]


def run(*options):
    return subprocess.run(
        [sys.executable, "-m", "kerasmeta", *map(str, options)],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
    )


def test_the_whole_job(tmp_path):
    pytest.importorskip("matplotlib")
    output = tmp_path / "new" / "run"
    options = ["--ways", 3, "--queries", 2, "--batch-size", 2, "--steps", 2]
    done = run(*options, "--episodes", 4, "--output", output)
    assert done.returncode == 0, done.stderr
    for name in ("learner.keras", "saved_model/saved_model.pb", "episode.png"):
        assert (output / name).stat().st_size > 1000, name
    text = done.stdout
    assert "Prototypical networks" in text
    assert "2 steps" in text
    assert "guessing would give 33.3%" in text
    assert re.search(r"before training +\d+\.\d% ± \d+\.\d%", text)
    assert re.search(r"after training +\d+\.\d% ± \d+\.\d%", text)
    assert "Inductive: each query is predicted by itself." in text
    assert "Keras and kerasmeta are blocked." in text
    # Two predictions beside each true class.
    assert len(re.findall(r"^ +[012] \| [012] [012]$", text, re.M)) == 3
    right, total = re.search(r"right: (\d) of (\d) \(", text).groups()
    scores = np.load(output / "predictions.npy")
    truth = np.load(output / "task.npz")["query_y"]
    assert int(total) == len(truth) == len(scores) == 6
    assert int(right) == np.sum(scores.argmax(axis=-1) == truth)


@pytest.mark.slow
def test_the_whole_job_with_maml(tmp_path):
    options = ["--learner", "maml", "--steps", 2, "--episodes", 4]
    done = run(*options, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"right: \d+ of 75 \(", done.stdout)
    assert "Transductive: a prediction depends on" in done.stdout


@pytest.mark.parametrize(
    "options, message",
    [
        ("--ways 1", "--ways: must be an integer from 2"),
        ("--shots 0", "--shots: must be an integer from 1"),
        ("--steps -3", "--steps: must be an integer from 1"),
        ("--episodes 1.5", "--episodes: must be an integer from 2"),
        ("--seed x", "--seed: must be an integer from 0"),
        ("--learner reptile", "--learner: invalid choice"),
        (f"--output {__file__}", "--output: cannot make this folder"),
    ],
)
def test_bad_options_are_refused(options, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        parse_options(options.split())
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("learner", ["proto_net", "maml"])
def test_default_steps_are_those_of_the_learner(tmp_path, learner):
    options = ["--output", str(tmp_path), "--learner", learner]
    assert parse_options(options).steps == STEPS[learner]
    assert parse_options([*options, "--steps", "7"]).steps == 7
