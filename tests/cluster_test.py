"""The program for a cluster, as two processes and alone, and its manifest."""

import ast
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import yaml

import kerasmeta as km  # noqa: F401

PROGRAM = pathlib.Path(__file__).parents[1] / "docs/cluster/train.py"
MANIFEST = PROGRAM.with_name("workers.yaml")
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


def test_a_run_that_dies_while_it_saves_is_not_lost(tmp_path):
    in_the_way = tmp_path / "worker_0" / "learner.keras"
    in_the_way.mkdir(parents=True)
    options = ["--steps", "2", "--epochs", "1", "--episodes", "4"]
    command = [sys.executable, PROGRAM, *options, "--folder", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM.parents[2])}
    environment.pop("TF_CONFIG", None)
    assert subprocess.run(command, env=environment).returncode != 0
    [kept] = (tmp_path / "backup").glob("backup-*.npz")
    in_the_way.rmdir()
    assert subprocess.run(command, env=environment).returncode == 0
    assert not kept.parent.exists()
    assert weights_in(tmp_path, 0)


def cluster_of_job():
    """Return the program's function; the rest of it would make a cluster."""
    tree = ast.parse(PROGRAM.read_text(encoding="utf-8"))
    tree.body = [
        node
        for node in tree.body
        if getattr(node, "name", None) == "cluster_of_job"
    ]
    names = {"os": os, "json": json}
    exec(compile(tree, PROGRAM, "exec"), names)
    return names["cluster_of_job"]


@pytest.fixture
def environment(monkeypatch):
    """An environment without a cluster, whatever a test puts there."""
    for name in ("TF_CONFIG", "JOB_COMPLETION_INDEX"):
        # Set first, so that it is put back where it was not there, too.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def manifest():
    """Return the service, the job and the container of the manifest."""
    text = MANIFEST.read_text(encoding="utf-8")
    service, job = yaml.safe_load_all(text)
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    [container] = job["spec"]["template"]["spec"]["containers"]
    return service, job, container


def test_the_parts_of_the_manifest_fit():
    service, job, container = manifest()
    template = job["spec"]["template"]
    selector = service["spec"]["selector"]
    assert selector.items() <= template["metadata"]["labels"].items()
    # Only a headless service of this name gives each pod one of its own.
    assert service["spec"]["clusterIP"] == "None"
    assert template["spec"]["subdomain"] == service["metadata"]["name"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"]
    volumes = {volume["name"] for volume in template["spec"]["volumes"]}
    [mount] = container["volumeMounts"]
    assert mount["name"] in volumes
    program, *options = container["command"][1:]
    assert pathlib.Path(program).name == PROGRAM.name
    folder = options[options.index("--folder") + 1]
    assert folder.startswith(mount["mountPath"])
    source = PROGRAM.read_text(encoding="utf-8")
    for name in options[::2]:
        assert f'add_argument("{name}"' in source


def test_the_manifest_makes_a_cluster(environment):
    """Each pod knows all pods, by their names in the service, and itself."""
    service, job, container = manifest()
    for variable in container["env"]:
        environment.setenv(variable["name"], variable["value"])
    count, name = job["spec"]["completions"], job["metadata"]["name"]
    subdomain = service["metadata"]["name"]
    [port] = service["spec"]["ports"]
    assert container["ports"] == [{"containerPort": port["port"]}]
    for index in range(count):
        environment.delenv("TF_CONFIG", raising=False)
        environment.setenv("JOB_COMPLETION_INDEX", str(index))
        cluster_of_job()()
        assert json.loads(os.environ["TF_CONFIG"]) == {
            "cluster": {
                "worker": [
                    f"{name}-{i}.{subdomain}:{port['port']}"
                    for i in range(count)
                ]
            },
            "task": {"type": "worker", "index": index},
        }


@pytest.mark.parametrize(
    "given", [{}, {"TF_CONFIG": "mine", "JOB_COMPLETION_INDEX": "0"}]
)
def test_elsewhere_no_cluster_is_made(given, environment):
    for name, value in given.items():
        environment.setenv(name, value)
    cluster_of_job()()
    assert os.environ.get("TF_CONFIG") == given.get("TF_CONFIG")
