import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

import kerasmeta as km
from kerasmeta.export import builtin_ops

HEADS = {
    "ProtoNet": km.learners.ProtoNet,
    "R2D2": lambda backbone: km.learners.R2D2(backbone, ways=5),
    "LRD2": lambda backbone: km.learners.LRD2(backbone, ways=5),
}
# No TensorFlow in this process, as on a phone.
PHONE = """
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
sys.modules["kerasmeta"] = None
import numpy as np
from ai_edge_litert.interpreter import Interpreter
learner = Interpreter(sys.argv[1])
task = np.load(sys.argv[2])
state = learner.get_signature_runner("adapt")(
    support_x=task["support_x"], support_y=task["support_y"]
)
answers = learner.get_signature_runner("predict_query")(
    query_x=task["query_x"], **state
)
np.save(sys.argv[3], answers["predictions"])
"""


@pytest.fixture(scope="module")
def task():
    """Five examples to learn from, one of each class."""
    spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=1)
    glyphs = km.tasks.Glyphs("test").episodes(spec, num_episodes=1)
    return {
        k: t[0, :, 8:20, 8:20] if t.shape.rank == 5 else t[0]
        for k, t in next(iter(glyphs))[0].items()
    }


def convolutional(num_outputs):
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(num_outputs),
        ]
    )


def other_layers(num_outputs):
    """Layers whose gradients LiteRT lacks, too."""
    return keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.SeparableConv2D(4, 3, depth_multiplier=2),
            keras.layers.LeakyReLU(0.1),
            keras.layers.AveragePooling2D(2, padding="same"),
            keras.layers.DepthwiseConv2D(2, activation="elu"),
            keras.layers.Conv2D(2, 2, activation="relu6"),
            keras.layers.Flatten(),
            keras.layers.Dense(num_outputs),
        ]
    )


def maml(network=convolutional):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return km.learners.MAML(
        network(5),
        inner_learning_rate=0.1,
        inner_steps=1,
        inner_loss=loss,
    )


def export(learner, task, file):
    """Export, and return the predictions of Keras."""
    episodes = {name: value[None] for name, value in task.items()}
    sizes = {"support_size": 5, "query_size": 5}
    learner.export(file, episodes, format="litert", **sizes)
    state = learner.adapt(task["support_x"], task["support_y"])
    return learner.predict_query(state, task["query_x"])


def run(interpreter, signature, **tensors):
    tensors = {name: np.asarray(value) for name, value in tensors.items()}
    return interpreter.get_signature_runner(signature)(**tensors)


@pytest.mark.parametrize(
    "name",
    [
        "MAML",
        pytest.param("MAML of other layers", marks=pytest.mark.slow),
        *(pytest.param(n, marks=pytest.mark.slow) for n in sorted(HEADS)),
    ],
)
def test_adapts_to_five_examples(task, tmp_path, name):
    if name in HEADS:
        learner = HEADS[name](convolutional(4))
    else:
        learner = maml(convolutional if name == "MAML" else other_layers)
    file = tmp_path / "learner.tflite"
    expected = export(learner, task, file)
    assert b"Flex" not in file.read_bytes()
    interpreter = Interpreter(str(file))
    support = {k: task[k] for k in ("support_x", "support_y")}
    state = run(interpreter, "adapt", **support)
    for _ in range(2):
        received = run(
            interpreter, "predict_query", query_x=task["query_x"], **state
        )["predictions"]
        np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)
    # Another task, after the first: nothing of that one is left.
    support["support_y"] = 4 - task["support_y"]
    state = run(interpreter, "adapt", **support)
    received = run(
        interpreter, "predict_query", query_x=task["query_x"], **state
    )["predictions"]
    state = learner.adapt(*support.values())
    expected = learner.predict_query(state, task["query_x"])
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_adapts_where_tensorflow_is_not(task, tmp_path):
    files = [tmp_path / n for n in ("a.tflite", "task.npz", "out.npy")]
    expected = export(maml(), task, files[0])
    np.savez(files[1], **task)
    command = [sys.executable, "-c", PHONE, *map(str, files)]
    subprocess.run(command, check=True)
    received = np.load(files[2])
    np.testing.assert_allclose(received, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filepath": "a"}, "ends in .tflite"),
        ({"query_size": None}, "pass `support_size` and `query_size`"),
        ({"support_size": None}, "pass `support_size` and `query_size`"),
        ({"support_size": 0}, "support_size=0"),
        ({"batch_size": 1.5}, "batch_size=1.5"),
        ({"format": "pickle"}, "format='pickle'"),
    ],
)
def test_what_cannot_be_written_is_refused(arguments, message, tmp_path):
    learner = km.learners.ProtoNet(km.backbones.mlp((1,), 2))
    given = {
        "filepath": "a.tflite",
        "format": "litert",
        "support_size": 5,
        "query_size": 1,
        **arguments,
    }
    given["filepath"] = tmp_path / given["filepath"]
    with pytest.raises(ValueError, match=message):
        learner.export(**given)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_every_learner_of_the_table_runs():
    root = pathlib.Path(__file__).parents[2]
    command = [sys.executable, root / "benchmarks" / "exports.py"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = [line.split("|")[1:-1] for line in done.stdout.splitlines()[2:]]
    rows = {name.strip(): [c.strip() for c in rest] for name, *rest in rows}
    differ = {
        name: cells
        for name, cells in rows.items()
        if cells[1] != "none" or float(cells[2]) > 1e-5
    }
    assert len(rows) > 50
    assert set(differ) == {
        "IMAML",
        "MAML-loop-recomputed",
        "MahalanobisNet",
        "MetaOptNet",
    }, differ


@pytest.mark.slow
def test_what_litert_cannot_compute_is_named(task, tmp_path, monkeypatch):
    monkeypatch.delitem(builtin_ops.REPLACEMENTS, "MatrixSolve")
    learner = km.learners.R2D2(convolutional(4), ways=5)
    with pytest.raises(ValueError, match="MatrixSolve"):
        export(learner, task, tmp_path / "a.tflite")
