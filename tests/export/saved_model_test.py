import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

SPEC = km.episodes.EpisodeSpec(ways=3, shots=2, queries=4)

# Importing Keras or kerasmeta fails in this process.
ELSEWHERE = """
import sys
sys.modules["keras"] = sys.modules["kerasmeta"] = None
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
task = np.load(sys.argv[2])
state = model.adapt(task["support_x"], task["support_y"])
np.save(sys.argv[3], model.predict_query(state, task["query_x"]))
"""


@pytest.fixture(scope="module")
def episodes():
    return next(iter(km.tasks.Glyphs("test").episodes(SPEC, batch_size=2)))[0]


@pytest.fixture(scope="module")
def learner():
    keras.utils.set_random_seed(0)
    network = km.backbones.conv4((28, 28, 1), num_classes=3, filters=4)
    learner = km.learners.MAML(network, inner_learning_rate=0.1, inner_steps=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile(loss=loss)
    return learner


@pytest.fixture(scope="module")
def folder(learner, episodes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "1"
    learner.export(folder, episodes)
    return folder


def test_adapts_where_keras_is_not(learner, episodes, folder, tmp_path):
    task = {name: value[0].numpy() for name, value in episodes.items()}
    np.savez(tmp_path / "task.npz", **task)
    files = [folder, tmp_path / "task.npz", tmp_path / "out.npy"]
    subprocess.run(
        [sys.executable, "-c", ELSEWHERE, *map(str, files)], check=True
    )
    expected = learner.predict(episodes, verbose=0)[0]
    np.testing.assert_allclose(
        np.load(tmp_path / "out.npy"), expected, rtol=1e-4, atol=1e-5
    )


def test_saved_model_cli_runs_it(learner, episodes, folder, tmp_path):
    inputs = []
    for name, value in episodes.items():
        np.save(tmp_path / f"{name}.npy", value[0])
        inputs.append(f"{name}={tmp_path / name}.npy")
    code = "from tensorflow.python.tools.saved_model_cli import main; main()"
    arguments = ["run", "--dir", str(folder), "--tag_set", "serve"]
    arguments += ["--signature_def", "serve", "--inputs", ";".join(inputs)]
    arguments += ["--outdir", str(tmp_path)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    np.testing.assert_allclose(
        np.load(tmp_path / "predictions.npy"),
        learner.predict(episodes, verbose=0)[0],
        rtol=1e-4,
        atol=1e-5,
    )


def test_signatures_are_flat_and_equal_the_functions(episodes, folder):
    model = tf.saved_model.load(str(folder))
    task = tf.nest.map_structure(lambda t: t[0], episodes)
    support = {n: task[n] for n in ("support_x", "support_y")}
    state = model.signatures["adapt"](**support)
    named = model.signatures["predict_query"](query_x=task["query_x"], **state)[
        "predictions"
    ]
    served = model.serve(*support.values(), task["query_x"])
    np.testing.assert_allclose(named, served, rtol=1e-5, atol=1e-6)


def test_any_number_of_support_and_query_examples(episodes, folder):
    model = tf.saved_model.load(str(folder))
    task = tf.nest.map_structure(lambda t: t[0], episodes)
    for support, queries in ((1, 1), (4, 7)):
        predictions = model.serve(
            task["support_x"][:support],
            task["support_y"][:support],
            task["query_x"][:queries],
        )
        assert predictions.shape == (queries, 3)


def test_a_loaded_learner_still_knows_its_episodes(episodes, tmp_path):
    learner = km.learners.ProtoNet(km.backbones.conv4((28, 28, 1), filters=4))
    learner.predict(episodes, verbose=0)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    loaded.export(tmp_path / "export")
    assert tf.saved_model.contains_saved_model(str(tmp_path / "export"))


def test_unknown_shapes_are_refused(tmp_path):
    learner = km.learners.ProtoNet(km.backbones.conv4((28, 28, 1), filters=4))
    with pytest.raises(ValueError, match="`fit` or `evaluate` first"):
        learner.export(tmp_path)


@pytest.mark.parametrize(
    "kind", ["ProtoNet", pytest.param("MAML", marks=pytest.mark.slow)]
)
def test_fixed_sizes(kind, tmp_path):
    network = km.backbones.mlp((3,), 2, units=(4,))
    if kind == "MAML":
        learner = km.learners.MAML(network, inner_loss="mse")
        labels = tf.one_hot([[0, 1, 0, 1], [1, 1, 0, 0]], 2)
    else:
        learner = km.learners.ProtoNet(network)
        labels = tf.constant([[0, 1, 0, 1], [1, 1, 0, 0]])
    episodes = {
        "support_x": tf.random.stateless_normal([2, 4, 3], (0, 0)),
        "support_y": labels,
        "query_x": tf.random.stateless_normal([2, 5, 3], (0, 1)),
    }
    expected = learner.solve(episodes)
    sizes = dict(support_size=4, query_size=5, batch_size=2)
    learner.export(tmp_path, episodes, **sizes)
    model = tf.saved_model.load(str(tmp_path))
    inputs = model.signatures["serve"].structured_input_signature[1]
    for name, tensor in episodes.items():
        assert inputs[name].shape == tensor.shape
    state = model.adapt(episodes["support_x"], episodes["support_y"])
    received = model.predict_query(state, episodes["query_x"])
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-5)
    served = model.serve(*episodes.values())
    np.testing.assert_allclose(served, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises((TypeError, ValueError)):
        model.adapt(episodes["support_x"][0], episodes["support_y"][0])


@pytest.mark.slow
def test_the_commands_of_the_docs_run(learner, episodes, folder, tmp_path):
    page = pathlib.Path(__file__).parents[2] / "docs" / "serving.md"
    blocks = re.findall(r"```shell\n(.*?)```", page.read_text("utf-8"), re.S)
    (commands,) = [text for text in blocks if "saved_model_cli" in text]
    (tmp_path / "characters").symlink_to(folder)
    for name, value in episodes.items():
        np.save(tmp_path / f"{name}.npy", value[0])
    programs = pathlib.Path(sys.executable).parent
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-euc", commands],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        check=True,
        capture_output=True,
    )
    np.testing.assert_allclose(
        np.load(tmp_path / "answer" / "predictions.npy"),
        learner.predict(episodes, verbose=0)[0],
        rtol=1e-4,
        atol=1e-5,
    )
