"""Episodes of varying sizes: what is drawn, and how often."""

import numpy as np
import pytest

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_arrays

SIZES = np.array([3, 4, 6, 10, 20, 40])
LABELS = np.repeat(np.arange(6), SIZES)
IDS = np.arange(len(LABELS))[:, None]


def draw(spec, count=600, **kwargs):
    """Return dictionaries of the real ids and labels of each episode."""
    data = episodes_from_arrays(
        IDS, LABELS, spec, num_episodes=count, batch_size=count, **kwargs
    )
    x, query_y = next(iter(data))
    found = []
    for i in range(count):
        support = x["support_mask"][i].numpy()
        query = x["query_mask"][i].numpy()
        # Padding comes last.
        assert (np.diff(support.astype(int)) <= 0).all()
        assert (np.diff(query.astype(int)) <= 0).all()
        found.append(
            {
                "support": x["support_x"][i].numpy()[support, 0],
                "support_y": x["support_y"][i].numpy()[support],
                "query": x["query_x"][i].numpy()[query, 0],
                "query_y": query_y[i].numpy()[query],
            }
        )
    return found


def check_sound(episode):
    """All distinct; labels 0..ways-1, one class each, the same in both."""
    ids = np.concatenate([episode["support"], episode["query"]])
    labels = np.concatenate([episode["support_y"], episode["query_y"]])
    assert len(set(ids)) == len(ids)
    pairs = set(zip(LABELS[ids], labels))
    ways = len(pairs)
    assert sorted(label for _, label in pairs) == list(range(ways))
    assert len({name for name, _ in pairs}) == ways
    assert set(episode["support_y"]) == set(episode["query_y"])
    return ways


def counts(labels):
    return np.bincount(labels)


def test_uniform_ranges_are_uniform():
    spec = EpisodeSpec((2, 4), (1, 3), (1, 2), small_classes="drop")
    episodes = draw(spec)
    ways = [check_sound(episode) for episode in episodes]
    assert set(ways) == {2, 3, 4}
    assert np.ptp(np.bincount(ways)[2:]) < 80
    for episode in episodes:
        # Balanced: one number for all classes of an episode.
        assert len(set(counts(episode["support_y"]))) == 1
        assert len(set(counts(episode["query_y"]))) == 1
        assert 0 not in LABELS[episode["support"]]  # Of 3 examples: dropped.
    shots = [counts(e["support_y"])[0] for e in episodes]
    queries = [counts(e["query_y"])[0] for e in episodes]
    assert np.ptp(np.bincount(shots)[1:]) < 80
    assert np.ptp(np.bincount(queries)[1:]) < 80
    assert abs(np.corrcoef(shots, queries)[0, 1]) < 0.12
    assert abs(np.corrcoef(shots, ways)[0, 1]) < 0.12


def test_unbalanced_classes_draw_their_own():
    spec = EpisodeSpec(4, (1, 3), (1, 2), unbalanced=True, small_classes="drop")
    episodes = draw(spec)
    for episode in episodes:
        assert check_sound(episode) == 4
    shots = np.concatenate([counts(e["support_y"]) for e in episodes])
    assert set(shots) == {1, 2, 3}
    assert any(len(set(counts(e["support_y"]))) == 3 for e in episodes)
    assert any(len(set(counts(e["query_y"]))) == 2 for e in episodes)


def test_fewer_queries_uses_what_there_is():
    spec = EpisodeSpec(3, 2, 10, small_classes="fewer_queries")
    seen = set()
    for episode in draw(spec, 200):
        assert check_sound(episode) == 3
        for label, size in enumerate(counts(episode["query_y"])):
            name = LABELS[episode["query"][episode["query_y"] == label][0]]
            assert size == min(10, SIZES[name] - 2)
            seen.add(name)
        assert (counts(episode["support_y"]) == 2).all()
    assert seen == set(range(6))


def meta_dataset_reference(sizes, portion, tilts, shots=100, queries=10):
    """The rule as the paper has it, with the random numbers given."""
    q = min(queries, min(size // 2 for size in sizes))
    total = min(
        500, sum(int(np.ceil(portion * min(shots, s - q))) for s in sizes)
    )
    weights = np.exp(tilts) * sizes
    extra = np.floor(weights / weights.sum() * (total - len(sizes)))
    return q, np.minimum(extra.astype(int) + 1, np.array(sizes) - q)


def test_meta_dataset_rule_against_the_paper():
    import tensorflow as tf

    from kerasmeta.episodes import episode_sizes

    generator = np.random.default_rng(0)
    spec = EpisodeSpec.meta_dataset(ways=(2, 6))
    keys = generator.integers(0, 2**62, size=(300, 6, 2))
    ways = generator.integers(2, 7, size=300)
    sizes = generator.choice([2, 5, 30, 700], size=(300, 6))
    got = episode_sizes.meta_dataset_sizes(
        spec,
        tf.constant(np.arange(6) < ways[:, None]),
        tf.constant(keys),
        tf.constant(sizes, "int32"),
    )
    shots, queries = [t.numpy() for t in got]
    for i, w in enumerate(ways):
        portion = 1 - keys[i, 0, 1] / 2**62
        tilts = np.log(0.5) + np.log(4) * (keys[i, :w, 0] / 2**62)
        q, expected = meta_dataset_reference(sizes[i, :w], portion, tilts)
        assert queries[i, :w].tolist() == [q] * w
        assert shots[i, :w].tolist() == expected.tolist()
        assert expected.sum() <= 500


def test_meta_dataset_episodes():
    spec = EpisodeSpec.meta_dataset(ways=(2, 5), max_support_size=30)
    episodes = draw(spec, 300)
    for episode in episodes:
        assert 2 <= check_sound(episode) <= 5
        assert len(episode["support"]) <= 30
        assert len(set(counts(episode["query_y"]))) == 1
    # Large classes get more shots.
    small = [np.mean(LABELS[e["support"]] == 0) for e in episodes]
    large = [np.mean(LABELS[e["support"]] == 5) for e in episodes]
    assert np.mean(large) > 2 * np.mean(small)


def test_more_ways_than_a_group_has():
    groups = LABELS // 3
    spec = EpisodeSpec((2, 5), 1, 1, within_groups=True)
    for episode in draw(spec, 200, groups=groups):
        assert check_sound(episode) <= 3
        assert len(set(groups[episode["support"]])) == 1


def test_groups_are_drawn_evenly():
    spec = EpisodeSpec((2, 2), 1, (1, 2), within_groups=True)
    groups = np.array([0, 0, 0, 0, 1, 1])[LABELS]
    drawn = [groups[e["support"][0]] for e in draw(spec, 600, groups=groups)]
    assert 250 < np.sum(drawn) < 350


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_a_varying_episode_does_not_depend_on_the_batch(batch_size):
    spec = EpisodeSpec((2, 4), (1, 3), (1, 2), small_classes="drop")

    def ids(batch_size):
        data = episodes_from_arrays(
            IDS, LABELS, spec, num_episodes=70, batch_size=batch_size
        )
        return np.concatenate(
            [
                np.where(x["query_mask"], x["query_x"][..., 0], -1)
                for x, _ in data
            ]
        )

    np.testing.assert_array_equal(ids(batch_size), ids(10))


def test_meta_dataset_with_one_huge_class():
    sizes = np.array([3000, 40, 40, 40, 40])
    labels = np.repeat(np.arange(5), sizes)
    data = episodes_from_arrays(
        np.arange(len(labels))[:, None],
        labels,
        EpisodeSpec.meta_dataset(ways=(5, 5)),
        num_episodes=50,
        batch_size=50,
    )
    x, query_y = next(iter(data))
    most = []
    for i in range(50):
        support = x["support_x"][i].numpy()[x["support_mask"][i], 0]
        query = x["query_x"][i].numpy()[x["query_mask"][i], 0]
        ids = np.concatenate([support, query])
        assert len(set(ids)) == len(ids)
        assert np.bincount(labels[query], minlength=5).tolist() == [10] * 5
        assert len(support) <= 500
        most.append(np.sum(labels[support] == 0))
    # Its share is larger than what it adds, 100.
    assert max(most) > 100
