import functools
import importlib
import json
import os
import pathlib
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

ROOT = pathlib.Path(__file__).parents[1]


def run(script, *options):
    *text, facts = lines_of(script, *options)
    return text, json.loads(facts)


def lines_of(script, *options):
    done = subprocess.run(
        [sys.executable, f"benchmarks/{script}", *map(str, options)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_sinusoid():
    options = ["--steps", 50, "--episodes", 4, "--gradient-steps", 2]
    text, facts = run("sinusoid.py", *options)
    rows = [line for line in text if line.startswith("|")]
    assert len(rows) == 2 + 3
    assert facts["steps"] == 50
    errors = np.array([facts["untrained"], facts["trained"]])
    assert errors.shape == (2, 3, 2)
    assert (errors > 0).all()
    # The untrained column once more, by plain gradient descent.
    keras.utils.set_random_seed(0)
    network = km.backbones.mlp((1,), 1)
    tasks = km.tasks.Sinusoid(10, 100).episodes(1, seed=1, num_episodes=4)
    by_task = np.array([errors_of_descent(network, *task) for task in tasks])
    expected = by_task.mean(axis=0)
    intervals = 1.96 * by_task.std(axis=0, ddof=1) / 2
    np.testing.assert_allclose(errors[0, :, 0], expected, rtol=1e-4)
    np.testing.assert_allclose(errors[0, :, 1], intervals, rtol=1e-3)


def errors_of_descent(network, x, query_y):
    """Return the query error after 0, 1 and 2 steps on the support points."""
    start = network.get_weights()
    errors = []
    for _ in range(3):
        difference = network(x["query_x"][0]) - query_y[0]
        errors.append(float(tf.reduce_mean(difference**2)))
        with tf.GradientTape() as tape:
            difference = network(x["support_x"][0]) - x["support_y"][0]
            loss = tf.reduce_mean(difference**2)
        weights = network.trainable_variables
        for weight, gradient in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(0.01 * gradient)
    network.set_weights(start)
    return errors


@pytest.fixture
def characters_file(tmp_path):
    rng = np.random.default_rng(0)
    # 30 alphabets of 8 characters, drawn 20 times each.
    characters = np.repeat(np.arange(240), 20)
    np.savez(
        tmp_path / "data.npz",
        images=rng.integers(0, 256, (len(characters), 28, 28), dtype="uint8"),
        char_id=characters,
        alphabet=characters // 8,
    )
    return tmp_path / "data.npz"


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["proto_net", "maml"])
def test_omniglot(characters_file, learner):
    options = ["--data", characters_file, "--learner", learner, "--augment"]
    _, facts = run("omniglot.py", *options, "--steps", 2, "--episodes", 4)
    assert all(0 <= row["accuracy"] <= 1 for row in facts["results"])
    assert facts["steps"] == 2


@pytest.mark.slow
def test_gradient_learners(characters_file):
    options = ["--learners", "maml", "--minutes", 0.02, "--episodes", 4]
    lines = lines_of(
        "gradient_learners.py", "omniglot", "--data", characters_file, *options
    )
    assert lines[-1].startswith("| maml | ")
    lines = lines_of("gradient_learners.py", "sinusoid", *options)
    assert lines[-1].startswith("| maml | ")


@pytest.mark.slow
def test_embedding_learners(characters_file):
    names = ["proto_net", "relation_network", "cnaps"]
    names += ["matching_networks_context", "pretrained"]
    options = ["--only", *names]
    options += ["--settings", "5x1", "--minutes", 0.02, "--episodes", 4]
    lines = lines_of(
        "embedding_learners.py", "--data", characters_file, *options
    )
    rows = [line for line in lines if line.startswith("| ")]
    heads = [row for row in rows if row.startswith("| pretrained | ")]
    assert len(heads) == 10
    assert len(rows) == 2 + 4 + 2 * len(heads)
    assert any(row.startswith("| pretrained | PTMAP | yes |") for row in heads)


@pytest.mark.slow
def test_memory_learners(characters_file):
    options = ["--data", characters_file, "--minutes", 0.02, "--episodes", 4]
    options += ["--only", "in_context_transformer", "mann"]
    lines = lines_of("memory_learners.py", *options)
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert [row[1] for row in rows[1:]] == ["5x1", "5x5"] * 2
    lines = lines_of("memory_learners.py", *options[:-3], "--shifted")
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    assert rows[0][1:5] == ["1st", "2nd", "5th", "10th"]
    assert [row[0] for row in rows[1:]] == ["| recurrent_network", "| mann"]
    assert all("±" in cell for row in rows[1:] for cell in row[1:5])


def test_accuracy_by_instance(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = importlib.import_module("memory_learners")
    labels = np.array([[1, 0, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]])
    predicted = np.array([[0, 0, 1, 1, 0, 1], [1, 1, 0, 0, 1, 1]])
    received = benchmark.by_instance(np.eye(2)[predicted], tf.constant(labels))
    expected = [[0.5, 1.0, 0.5], [0.0, 0.5, 1.0]]
    np.testing.assert_array_equal(received, expected)


def builders(monkeypatch, module):
    """Return a benchmark's builders, each a function without arguments."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = importlib.import_module(module)
    if module == "gradient_learners":
        omniglot, curves = benchmark.OMNIGLOT, benchmark.SINUSOID
        return [*omniglot.values(), *curves.values()]
    if module == "embedding_learners":
        return list(benchmark.TRAINED.values())
    return [
        functools.partial(build, benchmark.WAYS * shots)
        for build in benchmark.TRAINED.values()
        for shots in benchmark.SETTINGS.values()
    ]


@pytest.mark.parametrize(
    "module", ["gradient_learners", "embedding_learners", "memory_learners"]
)
def test_each_builder_makes_a_learner(monkeypatch, module):
    """The learners of a table, of which the tests below train one or two."""
    made = [build() for build in builders(monkeypatch, module)]
    assert len(made) >= 10
    for learner in made:
        assert getattr(km.learners, type(learner).__name__) is type(learner)
        assert learner.trainable_variables


@pytest.mark.slow
def test_text_and_speech(shared_file):
    options = ["--data", shared_file("data"), "--only", "clinc150"]
    options += ["--minutes", 0.02, "--episodes", 8]
    lines = lines_of("text_and_speech.py", *options)
    rows = [line.split(" | ") for line in lines if line.startswith("| CLINC")]
    assert [row[1] for row in rows] == [
        "floor",
        "floor, weights of training texts",
        "ProtoNet, untrained",
        "ProtoNet",
        "R2D2",
        "SimpleShot",
    ]
    assert all(row[-1].count("±") == 2 for row in rows[2:])


@pytest.mark.slow
def test_neural_processes(shared_file):
    options = ["--curves", "rbf", "fertility", "--only", "cnp", "np"]
    options += [
        "--minutes",
        0.02,
        "--episodes",
        4,
        "--data",
        shared_file("data"),
    ]
    lines = lines_of("neural_processes.py", *options)
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    fitted = "Gaussian process, fitted"
    assert [row[:2] for row in rows[1:]] == [
        ["| rbf", fitted],
        ["| rbf", "Gaussian process, true kernel"],
        ["| rbf", "cnp"],
        ["| rbf", "np"],
        ["| fertility", fitted],
        ["| fertility", "cnp"],
        ["| fertility", "np"],
    ]
    # Only what draws functions has a likelihood of all queries together.
    assert [row[1] for row in rows if "±" in row[3]] == ["np", "np"]


@pytest.mark.slow
@pytest.mark.parametrize("picture", ["curves", "births", "glyphs", "omniglot"])
def test_neural_process_pictures(picture, tmp_path, shared_file):
    path = tmp_path / "picture.png"
    options = [picture, "--steps", 1, "--path", path]
    if picture in ("births", "omniglot"):
        options += ["--data", shared_file("data")]
    lines = lines_of("neural_process_pictures.py", *options)
    assert "log-likelihood" in lines[-1]
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["maml", "fomaml", "imaml", "reptile"])
def test_gradient_speed(learner):
    options = ["W3s1", "--learner", learner, "--inner-steps", 2, "--loop"]
    text, facts = run("gradient_speed.py", *options, "--budget", 0)
    assert text == []
    assert 0 < facts["seconds_per_step"] < facts["first_call_seconds"]
    assert facts["first_call_seconds"] == pytest.approx(
        facts["compile_seconds"] + facts["seconds_per_step"], abs=0.02
    )


@pytest.mark.slow
def test_memory_of_a_step():
    """The estimate is of tensors; the program itself comes on top."""

    def measure(*options):
        options = ["W5", "--budget", 0, "--least-calls", 1, *options]
        _, facts = run("gradient_speed.py", *options)
        return facts["peak_memory_mb"], facts["estimated_memory_mb"]

    plain = measure("--inner-steps", 2)
    two = measure("--inner-steps", 2, "--rematerialize")
    twenty = measure("--inner-steps", 20, "--rematerialize")
    assert twenty[0] <= 1.6 * two[0]
    assert two[0] < 0.7 * plain[0]
    # Of small images, all is the program.
    program, tensors = measure(
        "--inner-steps", 2, "--rematerialize", "--size", 16
    )
    for peak, estimate in (plain, two, twenty):
        assert estimate + program - tensors == pytest.approx(peak, rel=0.3)


@pytest.mark.slow
def test_embedding_speed():
    _, facts = run("embedding_speed.py", "W4a", "--tasks", 2, "--budget", 0)
    assert facts["episodes_per_second"] > 0


@pytest.mark.slow
def test_episode_pipeline():
    options = ["--classes", 20, "--seconds", 0.1, "--repeats", 2]
    text, facts = run("episode_pipeline.py", *options)
    assert text == []
    assert facts["episodes_a_second"] > 0
    assert facts["numpy_gather"] > 0
    assert all(0 < share < 1 for share in facts["waiting"].values())


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["leaves100", "movielens", "uci_small"])
def test_domains(shared_file, domain):
    options = ["--data", shared_file("data"), "--only", domain]
    done = subprocess.run(
        [sys.executable, "benchmarks/domains.py", *map(str, options)]
        + ["--steps", "8", "--episodes", "16"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    [row] = [
        json.loads(line)
        for line in done.stdout.splitlines()
        if line.startswith("{")
    ]
    for name in ("floor", "still", "untrained", "ours"):
        mean, width = row[name]
        assert 0 < mean < 100 and width >= 0
    assert done.stdout.splitlines()[-1].startswith(f"| {row['title']} | ")


@pytest.mark.slow
def test_reinforcement(tmp_path):
    options = ["--minutes", 0.01, "--tasks", 20, "--units", 8]
    options += ["--picture", tmp_path / "curves.png"]
    text, facts = run("reinforcement.py", "bandits", *options)
    assert len([line for line in text if line.startswith("|")]) == 2 + 7
    assert "Optimal, over all bandits: 6.66, regret 1.673" in text
    regret, width = facts["results"]["RL2"]
    assert 0 < regret < 10 and width > 0
    text, facts = run("reinforcement.py", "navigation", *options)
    assert len([line for line in text if line.startswith("|")]) == 2 + 4
    assert np.shape(facts["results"]["trained"]) == (2, 4)
    assert (tmp_path / "curves.png").exists()
    _, facts = run("reinforcement.py", "mdps", *options)
    random, sampling, knowing = (
        facts["results"][name]["all"]
        for name in ("random actions", "posterior sampling", "knowing the task")
    )
    # The paper has 100.1 and 138.1 for the first two.
    assert 80 < random[0] < 115 and random[0] + 20 < sampling[0] < knowing[0]


def test_reinforcement_trains_on_no_batch_twice(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = importlib.import_module("reinforcement")
    trials, seen = km.rl.BernoulliBandits(2).trials(2), []

    class Learner:
        def fit(self, data, steps_per_epoch, **options):
            seen.extend(d["seed"].numpy() for d in data.take(steps_per_epoch))
            return types.SimpleNamespace(epoch=[0])

    assert benchmark.train(Learner(), trials, minutes=0) == 11
    expected = [batch["seed"].numpy() for batch in trials.take(11)]
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.slow
def test_distribution():
    options = ["--units", 8, "--tasks", 2, "--steps", 3]
    *_, one, two = lines_of("distribution.py", *options)
    cells = [[c.strip() for c in row.split("|")[1:-1]] for row in (one, two)]
    assert [row[:2] for row in cells] == [["97", "1"], ["97", "2"]]
    assert [row[4] for row in cells] == ["0", "1"]
    assert all(float(row[2]) > 0 for row in cells)
