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


def test_is_a_value():
    spec = EpisodeSpec(5, 1, 15)
    assert spec == EpisodeSpec(ways=5, shots=1, queries=15)
    assert hash(spec) == hash(EpisodeSpec(5, 1, 15))
    assert spec != EpisodeSpec(5, 1, 14)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert dataclasses.replace(spec, shots=5) == EpisodeSpec(5, 5, 15)
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.shots = 5


def test_sizes_of_numpy_do_not_overflow():
    spec = EpisodeSpec(np.int8(100), np.int8(1), np.int8(100))
    assert spec.query_size == 10_000
    assert repr(spec) == "EpisodeSpec(ways=100, shots=1, queries=100)"


@pytest.mark.parametrize("value", [0, -1, True, 1.0, "1", None, (1, 5)])
@pytest.mark.parametrize("name", ["ways", "shots", "queries"])
def test_bad_sizes(name, value):
    least = 2 if name == "ways" else 1
    with pytest.raises(ValueError) as error:
        EpisodeSpec(**{"ways": 5, "shots": 1, "queries": 1, name: value})
    assert str(error.value) == (
        f"`{name}` must be an integer of at least {least}. "
        f"Received: {name}={value!r}"
    )


def test_one_way_is_no_choice():
    with pytest.raises(ValueError, match="at least 2. Received: ways=1"):
        EpisodeSpec(ways=1, shots=1, queries=1)
