import numpy as np
import pytest

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_arrays
from kerasmeta.episodes import manifest
from kerasmeta.episodes import mix_episodes

SPEC = EpisodeSpec(2, 1, 2)
Y = np.repeat(np.arange(4), 6)


def dataset(offset, spec=SPEC, **kwargs):
    x = 100 * offset + np.arange(24)[:, None]
    return episodes_from_arrays(x, Y, spec, seed=offset, **kwargs)


def frozen():
    data = dataset(0, num_episodes=4)
    return manifest(data).episodes(data)


def values(data):
    return np.concatenate([x["query_x"].numpy()[..., 0] for x, _ in data])


def mixed(batch_size=5, count=400, weights=(1, 2, 1), **kwargs):
    return values(
        mix_episodes(
            [dataset(0), dataset(1), dataset(2)],
            weights,
            batch_size,
            num_episodes=count,
            **kwargs,
        )
    )


def test_proportions():
    source = mixed() // 100
    assert (source == source[:, :1]).all()  # One source an episode.
    shares = np.bincount(source[:, 0]) / len(source)
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.07)
    equal = np.bincount(mixed(weights=None)[:, 0] // 100) / 400
    np.testing.assert_allclose(equal, 1 / 3, atol=0.07)


def test_episodes_are_those_of_the_source_at_their_index():
    found = mixed()
    alone = [values(dataset(i, num_episodes=400)) for i in range(3)]
    for i, episode in enumerate(found):
        np.testing.assert_array_equal(episode, alone[episode[0] // 100][i])


@pytest.mark.parametrize(
    "batch_size", [pytest.param(1, marks=pytest.mark.slow), 64]
)
def test_is_a_pure_function_of_seed_and_index(batch_size):
    whole = mixed(4, 70)
    np.testing.assert_array_equal(mixed(batch_size, 70), whole)
    np.testing.assert_array_equal(mixed(4, 20, first_episode=50), whole[50:])
    np.testing.assert_array_equal(mixed(4, 70, shard=(1, 3)), whole[1::3])
    assert (mixed(4, 70, seed=1) != whole).any()


def test_varying_episodes_can_be_mixed():
    spec = EpisodeSpec((2, 3), (1, 2), 2)
    data = mix_episodes([dataset(0, spec), dataset(1, spec)], num_episodes=8)
    assert set(next(iter(data))[0]) == {
        "support_x",
        "support_y",
        "support_mask",
        "query_x",
        "query_mask",
    }


@pytest.mark.parametrize(
    "datasets, kwargs, message",
    [
        (lambda: [], {}, "must not be empty"),
        (lambda: [dataset(0).map(lambda *e: e)], {}, "before any `.map`"),
        (
            lambda: [dataset(0), dataset(1, EpisodeSpec(3, 1, 2))],
            {},
            "give them the same spec",
        ),
        (
            lambda: [
                dataset(0, EpisodeSpec((2, 3), 2, 2)),
                dataset(1, EpisodeSpec(2, (1, 3), 3)),
            ],
            {},
            "give them the same spec",
        ),
        (lambda: [frozen()], {}, "Only datasets as `episodes_from_*`"),
        (lambda: [dataset(0)], {"weights": [0]}, "must be positive numbers"),
        (lambda: [dataset(0)], {"weights": [1, 2]}, "one for each of the 1"),
        (lambda: [mix_episodes([dataset(0)])], {}, "For a mixture of mixtures"),
    ],
)
def test_bad_input(datasets, kwargs, message):
    with pytest.raises(ValueError) as error:
        mix_episodes(datasets(), **kwargs)
    assert message in str(error.value)
