import numpy as np
import pytest

from kerasmeta.episodes import Curriculum
from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_arrays

EASY, HARD = EpisodeSpec(2, 3, 1), EpisodeSpec(5, 1, 2)


def sizes(stages, batch_size=4, count=40, **kwargs):
    y = np.repeat(np.arange(8), 10)
    data = episodes_from_arrays(
        y[:, None],
        y,
        Curriculum(stages),
        batch_size,
        num_episodes=count,
        **kwargs,
    )
    masks = [(x["support_mask"], x["query_mask"]) for x, _ in data]
    return [
        np.concatenate([m[i].numpy().sum(axis=1) for m in masks])
        for i in range(2)
    ]


@pytest.mark.parametrize("batch_size", [1, 4, 16])
def test_stages_begin_with_their_episode(batch_size):
    support, query = sizes({0: EASY, 10: HARD}, batch_size)
    assert support.tolist() == [6] * 10 + [5] * 30
    assert query.tolist() == [2] * 10 + [10] * 30


def test_resuming_lands_in_the_right_stage():
    support, _ = sizes({0: EASY, 10: HARD}, first_episode=8, count=4)
    assert support.tolist() == [6, 6, 5, 5]


def test_stages_may_vary():
    support, _ = sizes({20: EpisodeSpec((2, 3), 1, 1), 0: EASY})
    assert support[:20].tolist() == [6] * 20
    assert set(support[20:]) == {2, 3}


@pytest.mark.parametrize(
    "stages, message",
    [
        ({}, "a dictionary `first episode -> EpisodeSpec`"),
        ([EASY], "a dictionary `first episode -> EpisodeSpec`"),
        ({0: 5}, "Each stage must be an `EpisodeSpec`. Received: 5"),
        ({5: EASY}, "The first stage must begin with episode 0"),
        ({0: EASY, -1: HARD}, "at least 0. Received: stages=-1"),
        ({0: EASY, 5: EpisodeSpec(shots=1)}, "ways, shots and queries only"),
        ({0: EpisodeSpec.meta_dataset()}, 'have the rule "uniform"'),
    ],
)
def test_bad_stages(stages, message):
    with pytest.raises(ValueError) as error:
        Curriculum(stages)
    assert message in str(error.value)


def test_a_group_must_do_for_every_stage():
    y = np.repeat(np.arange(4), 10)
    with pytest.raises(ValueError, match="needs 5 classes"):
        episodes_from_arrays(y[:, None], y, Curriculum({0: EASY, 9: HARD}))


def test_support_is_that_of_the_largest_stage():
    spec = Curriculum({0: EpisodeSpec(5, 5, 5), 9: EpisodeSpec(20, 1, 2)})
    assert (spec.support_size, spec.query_size) == (25, 40)


def test_is_its_stages():
    one, two = Curriculum({0: EASY, 9: HARD}), Curriculum({0: HARD, 9: EASY})
    assert one != two
    assert one == Curriculum({9: HARD, 0: EASY})
    assert hash(one) == hash(Curriculum({9: HARD, 0: EASY}))
    assert "9: EpisodeSpec(ways=5" in repr(one)
