"""Two replicas train and judge as one does."""

import pathlib
import subprocess
import sys

import pytest

SCRIPT = pathlib.Path(__file__).with_name("replicas_script.py")
FAMILIES = {
    "gradient": ["maml", "maml_first_order", "maml_inductive", "meta_sgd"],
    "convolutions": ["maml_convolutions", "maml_plus_plus", "proto_maml"],
    "other_gradients": ["reptile", "imaml", "abml"],
    "embedding": [
        "proto_net",
        "proto_net_frozen_norm",
        "proto_net_synchronized",
        "r2d2_synchronized",
        "matching",
        "feat",
        "sum_of_losses",
    ],
    "baseline": ["baseline"],
    "transductive": ["soft_k_means", "tim"],
    "memory": ["snail", "transformer", "recurrent", "mann"],
    "processes": [
        "conditional_neural_process",
        "neural_process",
        "attentive_neural_process",
    ],
}
WORKERS = {
    "gradient": ["maml", "maml_convolutions"],
    "other_gradients": ["reptile", "imaml"],
    "embedding": ["proto_net", "proto_net_synchronized"],
    "other": ["transformer", "neural_process"],
}


def run_mirrored(*names):
    done = subprocess.run(
        [sys.executable, SCRIPT, "mirrored", *names],
        capture_output=True,
        encoding="utf-8",
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal")


def test_two_replicas_are_one():
    run_mirrored("noise", "constants", "jit", "accumulation", "r2d2")


@pytest.mark.slow
@pytest.mark.parametrize("group", FAMILIES)
def test_two_replicas_are_one_for(group):
    run_mirrored(*FAMILIES[group])


@pytest.mark.slow
@pytest.mark.parametrize("group", WORKERS)
def test_two_workers_are_one_for(group, run_workers):
    names = WORKERS[group]
    for text in run_workers(SCRIPT, "workers", *names, timeout=1800):
        assert text.strip().endswith("equal")


@pytest.mark.slow
def test_metrics_look_at_queries():
    run_mirrored("metrics")


@pytest.mark.slow
def test_synchronized_statistics_need_a_task_on_each_replica():
    run_mirrored("error")
