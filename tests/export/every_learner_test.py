"""The SavedModel of every learner of the contract table, without Keras."""

import pathlib
import runpy
import subprocess
import sys

import keras
import numpy as np
import pytest

from kerasmeta.testing import learner_checks

TABLE = pathlib.Path(__file__).parents[1] / "learners" / "contract_test.py"
ROWS = runpy.run_path(str(TABLE))["ROWS"]
FUNCTIONS = ("functions", "saved_model_cli")

# One process for all learners. `saved_model_cli` is for one call of a process:
# each gets a child, made before TensorFlow has started to compute.
ELSEWHERE = """
import os
import pathlib
import sys
sys.modules["keras"] = sys.modules["kerasmeta"] = None
import numpy as np
import tensorflow as tf
from tensorflow.python.tools import saved_model_cli

def run_cli(folder, signature, files, outputs):
    inputs = ";".join(f"{name}={file}" for name, file in files.items())
    child = os.fork()
    if not child:
        sys.argv = f"saved_model_cli run --dir {folder}/model --tag_set serve "\
            f"--signature_def {signature} --outdir {folder}/{outputs}".split()
        sys.argv += ["--inputs", inputs]
        saved_model_cli.main()
    assert os.waitpid(child, 0)[1] == 0, (folder, signature)

folders = sorted(pathlib.Path(sys.argv[1]).iterdir())
for folder in folders:
    support = {k: folder / f"{k}.npy" for k in ("support_x", "support_y")}
    run_cli(folder, "adapt", support, "state")
    state = {file.stem: file for file in (folder / "state").iterdir()}
    queries = {"query_x": folder / "query_x.npy", **state}
    run_cli(folder, "predict_query", queries, "saved_model_cli")

for folder in folders:
    model = tf.saved_model.load(str(folder / "model"))
    task = {file.stem: np.load(file) for file in folder.glob("*.npy")}
    state = model.adapt(task["support_x"], task["support_y"])
    for name, value in state.items():
        assert np.isfinite(value).all(), (folder, name)
    (folder / "functions").mkdir()
    predictions = model.predict_query(state, task["query_x"])
    np.save(folder / "functions" / "predictions.npy", predictions)
"""


@pytest.fixture(scope="module")
def folders(request, tmp_path_factory):
    """What the learners that are asked for predicted here, and elsewhere."""
    parent = tmp_path_factory.mktemp("learners")
    calls = [getattr(item, "callspec", None) for item in request.session.items]
    names = {call.params.get("name") for call in calls if call}
    for name in names & ROWS.keys():
        keras.utils.set_random_seed(0)
        export(ROWS[name], parent / name)
    command = [sys.executable, "-c", ELSEWHERE, str(parent)]
    subprocess.run(command, check=True, capture_output=True)
    return parent


def export(row, folder):
    options = row["compile"]
    learner = row["learner"]()
    learner.compile(**(options() if callable(options) else options))
    episodes = row["episodes"]()
    learner.evaluate(episodes, verbose=0)
    learner.export(folder / "model")
    task = learner_checks._task(next(iter(episodes))[0])
    for key, value in task.items():
        np.save(folder / f"{key}.npy", value)
    state = learner.adapt(task["support_x"], task["support_y"])
    predictions = learner.predict_query(state, task["query_x"])
    np.save(folder / "expected.npy", predictions)


@pytest.mark.slow
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ROWS)
def test_adapts_where_keras_is_not(folders, name, function):
    folder = folders / name
    np.testing.assert_allclose(
        np.load(folder / function / "predictions.npy"),
        np.load(folder / "expected.npy"),
        rtol=1e-4,
        atol=1e-5,
    )
