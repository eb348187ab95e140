"""What the tests share."""

import concurrent.futures
import functools
import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"
# Programs that tests run in processes of their own. The search for examples in
# docstrings would import them here, where they make replicas.
collect_ignore_glob = ["*_script.py"]


@pytest.fixture(autouse=True)
def graphs_as_written(request):
    """Run graphs as they are traced, except in slow tests.

    TensorFlow rewrites a graph before its first run, for speed; most graphs of
    the tests run once, and rewriting them is a quarter of the time. Slow tests,
    the examples of docstrings and all that runs in a process of its own see
    graphs as users do.
    """
    is_slow = request.node.get_closest_marker("slow") is not None
    options = {"disable_meta_optimizer": not is_slow}
    tf.config.optimizer.set_experimental_options(options)
    yield
    options = {"disable_meta_optimizer": False}
    tf.config.optimizer.set_experimental_options(options)


@pytest.fixture
def shared_file():
    """Return a function that finds a file beside the checkout, or skips."""

    def find(*parts):
        path = SHARED.joinpath(*parts)
        if not path.exists():
            pytest.skip(f"needs {'/'.join(parts)}, which is not here")
        return path

    return find


class Workers:
    """A script that runs as two workers of a cluster."""

    def __init__(self, script, *arguments):
        addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(script), *map(str, arguments)],
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "TF_CONFIG": tf_config(addresses, place),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
            )
            for place in range(2)
        ]

    def communicate(self, timeout):
        """Return output and errors of each, when all have ended."""
        # At the same time: one whose pipe is full would keep the other waiting.
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            read = functools.partial(
                subprocess.Popen.communicate, timeout=timeout
            )
            return list(pool.map(read, self.processes))

    def kill(self):
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def start_workers():
    """Return a function that starts a script as two workers of a cluster."""
    started = []

    def start(script, *arguments):
        started.append(Workers(script, *arguments))
        return started[-1]

    yield start
    for workers in started:
        workers.kill()


@pytest.fixture
def run_workers(start_workers):
    """Return a function that runs a script as two workers of a cluster."""

    def run(script, *arguments, timeout=600):
        workers = start_workers(script, *arguments)
        outputs = workers.communicate(timeout)
        for process, (_, errors) in zip(workers.processes, outputs):
            assert process.returncode == 0, errors[-3000:]
        return [text for text, _ in outputs]

    return run


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def tf_config(addresses, place):
    task = {"type": "worker", "index": place}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})
