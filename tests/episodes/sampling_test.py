"""Statistics of the draws: fixed seeds, generous thresholds."""

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import sampling
from kerasmeta.episodes.candidates import Candidates
from kerasmeta.episodes.class_index import ClassIndex

SPEC = EpisodeSpec(ways=3, shots=2, queries=3)
LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(8), 6))


def draw(labels, spec, count, seed=0, first=0):
    """Return `support_ids, support_y, query_ids, query_y` as arrays."""
    indices = tf.range(first, first + count, dtype="int64")
    candidates = Candidates(ClassIndex(labels), spec)
    episodes = sampling.draw_episodes(candidates, spec, seed, indices)
    return [t.numpy() for t in tf.nest.flatten(episodes) if t is not None]


@pytest.fixture(scope="module")
def many():
    """20,000 episodes of 3 of 8 classes, and 5 of 6 examples of each."""
    return draw(LABELS, SPEC, 20_000)


def assert_uniform(values, bins):
    """Chi-square of counts, at 5 standard deviations of its own."""
    counts = np.bincount(np.ravel(values), minlength=bins)
    assert len(counts) == bins
    expected = counts.sum() / bins
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < bins - 1 + 5 * np.sqrt(2 * (bins - 1))


def class_of_label(support_ids, support_y):
    """Return the class behind each label number, `[B, ways]`."""
    first = np.argmax(support_y[:, :, None] == np.arange(SPEC.ways), axis=1)
    return np.take_along_axis(LABELS[support_ids], first, axis=1)


def test_shapes_and_dtypes(many):
    assert [a.shape[1] for a in many] == [6, 6, 9, 9]
    assert [a.dtype.name for a in many] == ["int64", "int32"] * 2


def test_examples_are_distinct_and_never_on_both_sides(many):
    ids = np.sort(np.concatenate([many[0], many[2]], axis=1), axis=1)
    assert (np.diff(ids) > 0).all()


def test_labels_are_balanced_and_name_one_class_each(many):
    support_ids, support_y, query_ids, query_y = many
    assert (np.sort(support_y) == np.repeat(np.arange(3), 2)).all()
    assert (np.sort(query_y) == np.repeat(np.arange(3), 3)).all()
    classes = class_of_label(support_ids, support_y)
    assert (np.diff(np.sort(classes)) > 0).all()
    for ids, y in ((support_ids, support_y), (query_ids, query_y)):
        assert (np.take_along_axis(classes, y, axis=1) == LABELS[ids]).all()


def test_classes_are_uniform_and_so_are_their_numbers(many):
    classes = class_of_label(*many[:2])
    assert_uniform(classes, 8)
    for label in range(3):
        assert_uniform(classes[:, label], 8)


def test_pairs_of_classes_are_uniform(many):
    # One of 8, then one of the 7 others.
    a, b = class_of_label(*many[:2])[:, :2].T
    assert_uniform(a * 7 + b - (b > a), 56)


def test_examples_are_uniform(many):
    assert_uniform(many[0], 48)
    assert_uniform(many[2], 48)


def test_order_tells_nothing_of_the_labels(many):
    for y in (many[1], many[3]):
        for position in range(y.shape[1]):
            assert_uniform(y[:, position], 3)
    # The label of a query does not follow from that of the support example
    # in the same place.
    assert_uniform(many[1][:, 0] * 3 + many[3][:, 0], 9)
    assert abs(np.corrcoef(many[1][:, 0], many[1][:, 5])[0, 1] + 0.2) < 0.03


def test_neighbouring_episodes_are_unrelated(many):
    classes = class_of_label(*many[:2])[:, 0]
    assert_uniform(classes[:-1] * 8 + classes[1:], 64)


def test_neighbouring_seeds_are_unrelated(many):
    other = draw(LABELS, SPEC, 20_000, seed=1)
    pairs = [class_of_label(*e[:2])[:, 0] for e in (many, other)]
    assert_uniform(pairs[0] * 8 + pairs[1], 64)


def test_unbalanced_classes():
    sizes = [3, 10, 50, 300]
    labels = np.repeat(np.arange(4), sizes)
    spec = EpisodeSpec(ways=2, shots=1, queries=2)
    support_ids, support_y, query_ids, query_y = draw(labels, spec, 5_000)
    ids = np.concatenate([support_ids, query_ids], axis=1)
    assert (np.diff(np.sort(ids)) > 0).all()
    # Small classes are drawn as often as large ones, and examples evenly.
    assert_uniform(labels[support_ids], 4)
    for k, start in enumerate(np.cumsum(sizes) - sizes):
        assert_uniform(ids[labels[ids] == k] - start, sizes[k])
    same = labels[query_ids][:, :, None] == labels[support_ids][:, None]
    assert (same == (query_y[:, :, None] == support_y[:, None])).all()


def test_a_class_can_be_used_up():
    ids = draw(LABELS, EpisodeSpec(ways=8, shots=2, queries=4), 20)
    both = np.concatenate([ids[0], ids[2]], axis=1)
    assert (np.sort(both) == np.arange(48)).all()


def test_an_episode_does_not_depend_on_those_drawn_with_it(many):
    for before, alone in zip(many, draw(LABELS, SPEC, 1, first=17)):
        np.testing.assert_array_equal(before[17:18], alone)


@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
def test_large_indices_and_seeds(seed):
    ids = draw(LABELS, SPEC, 5, seed=seed, first=2**62)[0]
    assert len({tuple(row) for row in ids}) == 5


def test_frozen_episode():
    # The episodes of a published seed must never change.
    episode = draw(np.repeat(range(9), 9), SPEC, 1, seed=42)
    assert [leaf[0].tolist() for leaf in episode] == [
        [53, 46, 59, 54, 36, 41],
        [1, 1, 2, 2, 0, 0],
        [47, 39, 58, 40, 56, 52, 42, 51, 57],
        [1, 0, 2, 0, 2, 1, 0, 1, 2],
    ]


def test_choose_is_a_uniform_order():
    keys = sampling.random_keys(0, tf.range(24_000, dtype="int64"), 4)[0]
    orders = sampling.choose(keys, 4).numpy()
    assert (np.sort(orders) == np.arange(4)).all()
    assert_uniform(np.unique(orders, axis=0, return_inverse=True)[1], 24)


def test_choose_from_a_smaller_population():
    keys = sampling.random_keys(0, tf.range(5_000, dtype="int64"), 9)[0]
    chosen = sampling.choose(keys, 2, population=tf.fill([5_000], 5)).numpy()
    assert (chosen[:, 0] != chosen[:, 1]).all()
    assert_uniform(chosen, 5)


def test_keys_of_each_purpose_differ():
    a, b = sampling.random_keys(3, tf.range(4, dtype="int64"), 5, 6)
    assert a.shape == (4, 5)
    assert b.shape == (4, 6)
    assert len(np.unique(np.concatenate([a, b], axis=1))) == 44


def test_choose_few_is_a_uniform_order():
    keys = sampling.random_keys(0, tf.range(60_000, dtype="int64"), 6)[0]
    chosen = sampling.choose_few(keys, 3, tf.fill([60_000], 5)).numpy()
    assert (np.diff(np.sort(chosen)) > 0).all()
    assert chosen.min() == 0 and chosen.max() == 4
    # All 60 ordered triples of 5.
    assert_uniform(np.unique(chosen, axis=0, return_inverse=True)[1], 60)


def test_choose_few_from_populations_of_any_size():
    keys = sampling.random_keys(0, tf.range(3_000, dtype="int64"), 12)[0]
    population = tf.constant([[2, 9], [300, 70_000]] * 1_500)
    chosen = sampling.choose_few(
        tf.reshape(keys[:, :8], [3_000, 2, 4]), 2, population
    ).numpy()
    assert (chosen[..., 0] != chosen[..., 1]).all()
    assert (chosen < population.numpy()[..., None]).all()
    assert_uniform(chosen[::2, 1], 9)


def test_episodes_of_many_large_classes():
    labels = np.repeat(np.arange(150), 200)
    support_ids, support_y, query_ids, query_y = draw(labels, SPEC, 20_000)
    ids = np.sort(np.concatenate([support_ids, query_ids], axis=1), axis=1)
    assert (np.diff(ids) > 0).all()
    for ids in (support_ids, query_ids):
        # The first alone, for an episode draws a class more than once.
        assert_uniform(labels[ids[:, 0]], 150)
        assert_uniform(ids % 200, 200)
    same = labels[query_ids][:, :, None] == labels[support_ids][:, None]
    assert (same == (query_y[:, :, None] == support_y[:, None])).all()
