import dataclasses
import pickle

import numpy as np
import pytest

from kerasmeta.episodes import EpisodeSpec


def test_sizes():
    spec = EpisodeSpec(ways=5, shots=2, queries=15)
    assert spec.support_size == 10
    assert spec.query_size == 75
    assert spec.examples_per_class == 17
    assert not spec.varies
    assert not spec.is_regression


def test_ranges():
    spec = EpisodeSpec(ways=(2, 5), shots=[1, 3], queries=(4, 4))
    assert spec == EpisodeSpec(ways=(2, 5), shots=(1, 3), queries=4)
    assert (spec.support_size, spec.query_size) == (15, 20)
    assert spec.ranges("shots") == (1, 3)
    assert spec.ranges("queries") == (4, 4)
    assert spec.varies


def test_regression():
    spec = EpisodeSpec(shots=3, queries=7)
    assert spec.is_regression
    assert (spec.support_size, spec.query_size, spec.max_ways) == (3, 7, 1)


def test_fewer_queries_is_padded():
    assert EpisodeSpec(5, 1, 9, small_classes="fewer_queries").varies


def test_is_a_value():
    spec = EpisodeSpec(5, 1, 15)
    assert spec == EpisodeSpec(ways=5, shots=1, queries=15)
    assert hash(spec) == hash(EpisodeSpec(5, 1, 15))
    assert spec != EpisodeSpec(5, 1, 14)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert dataclasses.replace(spec, shots=5) == EpisodeSpec(5, 5, 15)
    assert EpisodeSpec(**spec.as_plain()) == spec
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.shots = 5


def test_sizes_of_numpy_do_not_overflow():
    spec = EpisodeSpec(np.int8(100), np.int8(1), np.int8(100))
    assert spec.query_size == 10_000
    assert "ways=100, shots=1, queries=100" in repr(spec)


@pytest.mark.parametrize(
    "name, value",
    [
        (name, value)
        for name in ("ways", "shots", "queries")
        for value in (0, -1, True, 1.0, "1", None)
        # Without ways it is a regression spec.
        if (name, value) != ("ways", None)
    ],
)
def test_bad_sizes(name, value):
    least = 2 if name == "ways" else 1
    with pytest.raises(ValueError) as error:
        EpisodeSpec(**{"ways": 5, "shots": 1, "queries": 1, name: value})
    assert str(error.value) == (
        f"`{name}` must be an integer of at least {least}. "
        f"Received: {name}={value!r}"
    )


@pytest.mark.parametrize(
    "value, message",
    [
        ((5, 2), "low <= high. Received: shots=(5, 2)"),
        ((1, 2, 3), "a pair (low, high). Received: shots=(1, 2, 3)"),
        ((0, 2), "at least 1. Received: shots=0"),
        ((1, 2.5), "at least 1. Received: shots=2.5"),
    ],
)
def test_bad_ranges(value, message):
    with pytest.raises(ValueError) as error:
        EpisodeSpec(ways=5, shots=value)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "fields, message",
    [
        (dict(ways=1), "at least 2. Received: ways=1"),
        (dict(ways=5, small_classes="skip"), "'drop', 'fewer_queries'"),
        (dict(ways=5, rule="other"), "`rule` must be one of"),
        (dict(ways=5, rule="meta_dataset"), "EpisodeSpec.meta_dataset"),
        (dict(ways=5, max_support_size=9), "belong together"),
        (dict(shots=5, within_groups=True), "a spec without `ways` has none"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ValueError) as error:
        EpisodeSpec(**fields)
    assert message in str(error.value)


def test_meta_dataset():
    spec = EpisodeSpec.meta_dataset()
    assert (spec.ways, spec.support_size, spec.query_size) == (
        (5, 50),
        500,
        500,
    )
    with pytest.raises(ValueError, match="one support example for each"):
        EpisodeSpec.meta_dataset(max_support_size=20)
