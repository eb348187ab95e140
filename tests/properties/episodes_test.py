"""What is true of every episode, whatever its spec and its data."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

import kerasmeta as km
from kerasmeta.episodes.array_source import array_source
from kerasmeta.episodes.episode_stream import EpisodeStream
from kerasmeta.episodes.pipeline import episode_indices

COUNT = 4
SIDES = ("support", "query")
DTYPES = ("uint8", "int16", "int32", "int64", "float16", "float32", "float64")


def sizes(low, high):
    """An integer, or a pair of them."""
    ends = st.tuples(st.integers(low, high), st.integers(low, high))
    return st.one_of(st.integers(low, high), ends.map(sorted).map(tuple))


@st.composite
def classifications(draw):
    """Return a spec, and labels and groups that it can draw from."""
    spec = km.episodes.EpisodeSpec(
        ways=draw(sizes(2, 4)),
        shots=draw(sizes(1, 3)),
        queries=draw(sizes(1, 3)),
        unbalanced=draw(st.booleans()),
        within_groups=draw(st.booleans()),
        small_classes=draw(st.sampled_from(["error", "drop", "fewer_queries"])),
    )
    if draw(st.integers(0, 3)) == 0:
        spec = km.episodes.EpisodeSpec.meta_dataset(
            ways=spec.ways,
            max_shots=spec.max_shots,
            max_queries=spec.max_queries,
            max_support_size=draw(st.integers(4, 12)),
            within_groups=spec.within_groups,
        )
    least = {"error": spec.max_shots + spec.max_queries, "drop": 1}.get(
        spec.small_classes, spec.max_shots + 1
    )
    if spec.rule == "meta_dataset":
        least = 2
    groups, labels = [], []
    for group in range(draw(st.integers(1, 3))):
        large = [spec.examples_per_class + draw(st.integers(0, 3))] * 4
        other = draw(st.lists(st.integers(least, least + 4), max_size=2))
        for number, size in enumerate(large + other):
            labels += [f"{group} {number}"] * size
            groups += [group] * size
    order = np.random.default_rng(0).permutation(len(labels))
    return spec, np.array(labels)[order], np.array(groups)[order]


SEEDS = st.integers(0, 2**63 - 1)
FIRST = st.integers(0, 2**40)


def draw_episodes(spec, labels, groups, seed, first, count=COUNT):
    source = array_source(np.arange(len(labels))[:, None], labels, groups)
    stream = EpisodeStream(source, spec, seed)
    drawn = stream.draw(tf.range(first, first + count, dtype="int64"))
    return {name: tensor.numpy() for name, tensor in drawn.items()}


def check_episode(spec, labels, groups, drawn, i):
    """Check one episode, example by example."""
    ids, y = {}, {}
    for side in SIDES:
        mask = np.ones(len(drawn[f"{side}_ids"][i]), bool)
        if spec.varies:
            mask = drawn[f"{side}_mask"][i]
        ids[side] = drawn[f"{side}_ids"][i][mask]
        y[side] = drawn[f"{side}_y"][i][mask]
    both = np.concatenate([ids["support"], ids["query"]])
    assert len(set(both)) == len(both), "an example is there twice"
    names = dict(zip(y["support"], labels[ids["support"]]))
    ways = len(set(names.values()))
    assert sorted(names) == list(range(ways)) and len(names) == ways
    assert spec.ranges("ways")[0] <= ways <= spec.max_ways
    for side in ids:
        assert [names[label] for label in y[side]] == list(labels[ids[side]])
    if spec.within_groups:
        assert len(set(groups[both])) == 1
    check_counts(spec, labels, names, y)


def check_counts(spec, labels, names, y):
    shots = np.bincount(y["support"], minlength=len(names))
    queries = np.bincount(y["query"], minlength=len(names))
    assert len(queries) == len(names)
    if spec.rule == "meta_dataset":
        assert shots.min() >= 1 and shots.sum() <= spec.max_support_size
        assert len(set(queries)) == 1 and 1 <= queries[0] <= spec.max_queries
        return
    low, high = spec.ranges("shots")
    assert low <= shots.min() and shots.max() <= high
    low, high = spec.ranges("queries")
    if spec.small_classes == "fewer_queries":
        members = [np.sum(labels == names[i]) for i in range(len(names))]
        low = np.minimum(low, members - shots)
        assert queries.min() >= 1
    assert (low <= queries).all() and queries.max() <= high
    if not spec.unbalanced:
        assert len(set(shots)) == 1
        if spec.small_classes != "fewer_queries":
            assert len(set(queries)) == 1


def check_classification(case, seed, first):
    spec, labels, groups = case
    drawn = draw_episodes(spec, labels, groups, seed, first)
    masks = {"support_mask", "query_mask"}
    assert masks & drawn.keys() == (masks if spec.varies else set())
    for side, size in (
        ("support", spec.support_size),
        ("query", spec.query_size),
    ):
        for what in ("ids", "y", *(["mask"] if spec.varies else [])):
            assert drawn[f"{side}_{what}"].shape == (COUNT, size)
    for i in range(COUNT):
        check_episode(spec, labels, groups, drawn, i)
    # An episode is the same alone.
    alone = draw_episodes(spec, labels, groups, seed, first + COUNT - 1, 1)
    for name, array in alone.items():
        np.testing.assert_array_equal(array[0], drawn[name][-1], name)


@given(classifications(), SEEDS, FIRST)
def test_classification(case, seed, first):
    check_classification(case, seed, first)


@pytest.mark.slow
@given(classifications(), SEEDS, FIRST)
@settings(settings.get_profile("many"))
def test_many_classifications(case, seed, first):
    check_classification(case, seed, first)


@given(sizes(1, 3), sizes(1, 3), st.integers(1, 4), SEEDS, FIRST)
def test_regression(shots, queries, num_tasks, seed, first):
    spec = km.episodes.EpisodeSpec(shots=shots, queries=queries)
    tasks = np.repeat(np.arange(num_tasks), spec.examples_per_class)
    source = array_source(tasks[:, None], tasks, targets=tasks[:, None])
    indices = tf.range(first, first + COUNT, dtype="int64")
    drawn = EpisodeStream(source, spec, seed).draw(indices)
    for i in range(COUNT):
        ids = {side: drawn[f"{side}_ids"][i].numpy() for side in SIDES}
        if spec.varies:
            ids = {s: ids[s][drawn[f"{s}_mask"][i].numpy()] for s in SIDES}
        both = np.concatenate(list(ids.values()))
        assert len(set(both)) == len(both)
        assert len(set(tasks[both])) == 1
        for side, name in (("support", "shots"), ("query", "queries")):
            low, high = spec.ranges(name)
            assert low <= len(ids[side]) <= high


@given(st.integers(1, 40), FIRST, st.integers(1, 6))
def test_shards_cover_all_episodes_once(count, first, workers):
    workers = min(workers, count)
    shards = [
        list(episode_indices(count, first, (i, workers)).as_numpy_iterator())
        for i in range(workers)
    ]
    for i, shard in enumerate(shards):
        assert shard == list(range(first + i, first + count, workers))
    assert sorted(sum(shards, [])) == list(range(first, first + count))


SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=3)


@given(SHAPES, st.sampled_from(DTYPES), st.integers(0, 2**31))
def test_examples_keep_shape_and_value(shape, dtype, seed):
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 100, size=(6, *shape)).astype(dtype)
    loaded = array_source(x, np.arange(6) % 2).load(
        tf.constant([5, 0], "int64")
    )
    is_token = dtype in ("int32", "int64")
    assert loaded.dtype == (dtype if is_token else "float32")
    np.testing.assert_array_equal(loaded, x[[5, 0]])


@given(classifications())
def test_a_spec_is_made_again_from_its_fields(case):
    spec = case[0]
    assert km.episodes.EpisodeSpec(**spec.as_plain()) == spec
