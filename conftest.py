"""What the tests and the examples in docstrings share."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km


@pytest.fixture(autouse=True)
def doctest_names(doctest_namespace):
    """Names that the docstring examples use."""
    doctest_namespace.update(keras=keras, km=km, np=np, tf=tf)


@pytest.fixture(autouse=True)
def seeded():
    """Give every test the same weights, whichever ran before it."""
    keras.utils.set_random_seed(0)
