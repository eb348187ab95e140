"""What the tests share."""

import pathlib

import pytest
import tensorflow as tf

SHARED = pathlib.Path(__file__).parents[2] / "shared"


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
