import math
import re

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.utils import check_choice
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number
from kerasmeta.utils import check_seed


def raises(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


@pytest.mark.parametrize(
    "value", [3, np.int8(3), np.uint64(3), np.array(3), tf.constant(3)]
)
def test_integers_of_all_kinds_become_int(value):
    assert check_positive_int("shots", value) == 3
    assert type(check_positive_int("shots", value)) is int


@pytest.mark.parametrize(
    "value", [0, -1, True, np.True_, 2.0, 2.5, "2", None, [2], math.nan]
)
def test_what_is_no_positive_int(value):
    with raises(
        f"`shots` must be an integer of at least 1. Received: shots={value!r}"
    ):
        check_positive_int("shots", value)


def test_minimum():
    assert check_positive_int("ways", 2, minimum=2) == 2
    with raises("`ways` must be an integer of at least 2. Received: ways=1"):
        check_positive_int("ways", 1, minimum=2)


def test_seeds():
    assert [check_seed(s) for s in (0, 2**63 - 1)] == [0, 2**63 - 1]
    with raises("`seed` must be an integer of at least 0. Received: seed=-1"):
        check_seed(-1)
    with raises("`seed` must be an integer of at least 0. Received: seed=None"):
        check_seed(None)
    with raises(f"`seed` must be smaller than 2**63. Received: seed={2**63}"):
        check_seed(2**63)


@pytest.mark.parametrize("value", [0.5, 1, np.float32(0.5), tf.constant(0.5)])
def test_positive_numbers_become_float(value):
    assert check_positive_number("rate", value) == float(value)
    assert type(check_positive_number("rate", value)) is float


@pytest.mark.parametrize(
    "value", [0, -0.1, math.nan, math.inf, "0.1", True, None, [0.1, 0.2]]
)
def test_what_is_no_positive_number(value):
    with raises(
        f"`rate` must be a positive finite number. Received: rate={value!r}"
    ):
        check_positive_number("rate", value)


def test_choices():
    assert check_choice("split", "test", ("train", "test")) == "test"
    with raises(
        "`split` must be one of 'train', 'test'. Received: split='tset'"
    ):
        check_choice("split", "tset", ("train", "test"))
