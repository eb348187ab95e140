"""`python -m kerasmeta.serving`, here and where kerasmeta is not."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import httpx
import numpy as np
import pytest
import tensorflow as tf
import uvicorn

import kerasmeta as km
from kerasmeta.serving import __main__ as program


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    learner = km.learners.NearestNeighbour(km.backbones.mlp((2,), 4, units=()))
    episodes = {
        "support_x": tf.zeros([1, 4, 2]),
        "support_y": tf.zeros([1, 4], "int32"),
        "query_x": tf.zeros([1, 4, 2]),
    }
    learner.export(folder, episodes)
    return folder


def test_options_reach_the_server(folder, monkeypatch):
    served = {}

    def run(app, **options):
        served.update(options, routes=[route.path for route in app.routes])

    monkeypatch.setattr(uvicorn, "run", run)
    options = [str(folder), "--port", "81", "--max-users", "7"]
    monkeypatch.setattr(sys, "argv", ["serving", *options])
    program.main()
    assert (served["host"], served["port"]) == ("127.0.0.1", 81)
    assert "/adapt" in served["routes"]


@pytest.mark.parametrize(
    "options, message",
    [
        (["nowhere"], "nowhere"),
        (["FOLDER", "--max-examples", "0"], "max_examples=0"),
    ],
)
def test_bad_options_are_refused(folder, monkeypatch, capsys, options, message):
    options = [str(folder) if o == "FOLDER" else o for o in options]
    monkeypatch.setattr(sys, "argv", ["serving", *options])
    with pytest.raises(SystemExit) as stopped:
        program.main()
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_damaged_model_is_named(folder, monkeypatch, capsys, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    data = damaged.joinpath("saved_model.pb").read_bytes()
    # No function is named: of this, TensorFlow raises a `KeyError`.
    data = data.replace(b"structured_outputs", b"structured_outputz")
    data = data.replace(b"StatefulPartitionedCall", b"StatefulPartitionedCalk")
    damaged.joinpath("saved_model.pb").write_bytes(data)
    monkeypatch.setattr(sys, "argv", ["serving", str(damaged)])
    with pytest.raises(SystemExit):
        program.main()
    message = capsys.readouterr().err
    assert "whole and undamaged" in message and str(damaged) in message


@pytest.mark.slow
def test_a_copy_serves_where_keras_is_not(folder, tmp_path):
    source = pathlib.Path(program.__file__).parent
    shutil.copytree(source, tmp_path / "serving")
    for name in ("keras", "kerasmeta"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')")
    process = subprocess.Popen(
        [sys.executable, "-m", "serving", str(folder), "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        lines = iter(process.stderr.readline, "")
        port = next(m[1] for m in map(find_port, lines) if m)
        url = f"http://127.0.0.1:{port}"
        support = {"support_x": [[0, 0], [5, 5]], "support_y": [0, 1]}
        user = httpx.post(f"{url}/adapt", json=support, timeout=60).json()
        query = {**user, "query_x": [[5, 5], [0, 0]]}
        answer = httpx.post(f"{url}/predict_query", json=query, timeout=60)
        scores = answer.json()["predictions"]
        assert np.argmax(scores, axis=-1).tolist() == [1, 0]
    finally:
        process.terminate()
        process.wait()


def find_port(line):
    return re.search(r"http://127\.0\.0\.1:(\d+)", line)


def test_what_is_missing_is_named():
    # A module of None cannot be imported.
    code = "import sys; sys.modules['fastapi'] = None; import kerasmeta.serving"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8"
    )
    assert "pip install kerasmeta[serving]" in done.stderr
