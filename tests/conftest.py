"""What all tests share."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

SHARED = pathlib.Path(__file__).parents[2] / "shared"


@pytest.fixture(autouse=True)
def seeded():
    """Give every test the same weights, whichever ran before it."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def shared_file():
    """Return a function that finds a file beside the checkout, or skips."""

    def find(*parts):
        path = SHARED.joinpath(*parts)
        if not path.exists():
            pytest.skip(f"needs {'/'.join(parts)}, which is not here")
        return path

    return find


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace):
    """Names that the docstring examples use."""
    import kerasmeta as km

    doctest_namespace.update(keras=keras, km=km, np=np, tf=tf)
