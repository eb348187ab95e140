import itertools

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.tasks import Glyphs
from kerasmeta.tasks import glyphs as glyphs_file

SPLITS = ["train", "validation", "test"]
FROZEN_INK = [80.043, 78.586, 102.759, 48.597, 109.066, 36.259]


@pytest.fixture(scope="module")
def episodes():
    """200 test episodes, which several tests look at."""
    spec = EpisodeSpec(ways=5, shots=1, queries=15)
    episodes = Glyphs("test").episodes(spec, batch_size=50, num_episodes=200)
    # Unknown shapes would make a learner trace again, or fail to build.
    x_spec, query_y_spec = episodes.element_spec
    assert x_spec["query_x"].shape == (50, 75, 28, 28, 1)
    assert query_y_spec.shape == (50, 75)
    return list(episodes)


def test_shapes_and_dtypes(episodes):
    x, query_y = episodes[0]
    assert set(x) == {"support_x", "support_y", "query_x"}
    assert x["support_x"].shape == (50, 5, 28, 28, 1)
    assert x["support_y"].shape == (50, 5)
    assert x["query_x"].shape == (50, 75, 28, 28, 1)
    assert query_y.shape == (50, 75)
    assert x["support_x"].dtype == x["query_x"].dtype == tf.float32
    assert x["support_y"].dtype == query_y.dtype == tf.int32


def test_labels_are_balanced_and_shuffled(episodes):
    x, query_y = episodes[0]
    support_y, query_y = x["support_y"].numpy(), query_y.numpy()
    assert (np.sort(support_y) == np.arange(5)).all()
    assert (np.sort(query_y) == np.repeat(np.arange(5), 15)).all()
    # 50 draws of the 120 orders: 41 different ones are expected.
    assert len(np.unique(support_y, axis=0)) > 30
    assert len(np.unique(query_y, axis=0)) == 50


def test_support_and_query_agree_on_the_labels(monkeypatch):
    classes, labels, drawers = drawn_ids(monkeypatch, EpisodeSpec(4, 2, 3))
    assert len(set(zip(classes, labels))) == 4
    assert len(set(drawers)) == len(drawers) == 20


@pytest.mark.parametrize("split", SPLITS)
def test_classes_are_distinct_and_of_the_split(monkeypatch, split):
    spec = EpisodeSpec(ways=60, shots=1, queries=1)
    classes, _, _ = drawn_ids(monkeypatch, spec, split)
    assert len(set(classes)) == 60
    assert set(classes % 3) == {SPLITS.index(split)}
    assert classes.min() >= 0


def drawn_ids(monkeypatch, spec, split="train"):
    """Return the characters, labels and drawers of one episode."""
    calls = []

    def pen_paths(characters, drawer_ids):
        calls.append((characters.numpy(), drawer_ids.numpy()))
        return real(characters, drawer_ids)

    real = glyphs_file.pen_paths
    monkeypatch.setattr(glyphs_file, "pen_paths", pen_paths)
    x, query_y = Glyphs(split).task(spec, tf.constant([0, 0], "int64"))
    [(characters, drawers)] = calls
    return characters, np.concatenate([x["support_y"], query_y]), drawers


def test_an_episode_is_a_pure_function_of_seed_and_index():
    spec = EpisodeSpec(ways=3, shots=1, queries=2)
    fours = Glyphs("test").episodes(spec, 4, seed=3, num_episodes=6)
    ones = Glyphs("test").episodes(spec, 1, seed=3, num_episodes=6)
    assert [len(query_y) for _, query_y in fours] == [4, 2]
    images = query_images(fours)
    np.testing.assert_array_equal(images, query_images(fours))
    np.testing.assert_array_equal(images, query_images(ones))
    alone, _ = Glyphs("test").task(spec, tf.constant([3, 5], "int64"))
    np.testing.assert_allclose(images[5], alone["query_x"], atol=1e-4)


def test_seeds_indices_and_splits_give_different_images():
    spec = EpisodeSpec(ways=3, shots=1, queries=2)
    images = []
    for split, seed, index in itertools.product(SPLITS, (0, 1), (0, 1)):
        x, _ = Glyphs(split).task(spec, tf.constant([seed, index], "int64"))
        images += [x["support_x"], x["query_x"]]
    images = np.concatenate(images).reshape(12 * 9, -1)
    assert len(np.unique(images, axis=0)) == len(images)


def query_images(episodes):
    return np.concatenate([x["query_x"] for x, _ in episodes])


def test_an_endless_dataset():
    spec = EpisodeSpec(ways=2, shots=1, queries=1)
    assert Glyphs().episodes(spec).cardinality() == tf.data.INFINITE_CARDINALITY


def test_a_drawing_depends_on_its_class_and_drawer_alone():
    glyphs = Glyphs()
    images = glyphs.drawings([5, 5, 9, 2**60], [0, 1, 0, 2**60]).numpy()
    alone = glyphs.drawings([9], [0]).numpy()
    np.testing.assert_allclose(images[2], alone[0], atol=1e-4)
    assert len(np.unique(images.reshape(4, -1), axis=0)) == 4
    assert not np.allclose(alone, Glyphs("test").drawings([9], [0]))


def test_drawings_are_bright_thin_lines_inside_the_frame():
    images = Glyphs().drawings(range(1000), range(1000, 2000)).numpy()
    assert images.shape == (1000, 28, 28, 1)
    assert images.dtype == np.float32
    assert images.min() >= 0
    assert images.max() <= 1
    assert (images.max(axis=(1, 2, 3)) > 0.5).all()
    ink = images.mean(axis=(1, 2, 3))
    assert 0.01 < ink.min()
    assert ink.max() < 0.35
    # Characters fill the frame, 16 to 22 pixels, but for the fading ends.
    height = (images.max(axis=(2, 3)) > 0.1).sum(axis=1)
    width = (images.max(axis=(1, 3)) > 0.1).sum(axis=1)
    sides = np.maximum(height, width)
    assert 12 <= sides.min()
    assert sides.max() <= 26
    assert 18 < sides.mean() < 23


def test_drawings_stay_the_same():
    # Whoever changes these numbers makes published results unrepeatable.
    ink = tf.reduce_sum(Glyphs().drawings(range(6), range(6)), axis=[1, 2, 3])
    np.testing.assert_allclose(ink, FROZEN_INK, rtol=1e-3)


def test_pixels_alone_do_not_solve_it(episodes):
    correct = []
    for x, query_y in episodes:
        order = np.argsort(x["support_y"], axis=1)
        images = x["support_x"].numpy().reshape(50, 5, -1)
        means = np.take_along_axis(images, order[:, :, None], axis=1)
        queries = x["query_x"].numpy().reshape(50, 75, -1)
        # ||q - m||^2 without ||q||^2, which is the same for every class.
        distances = (means**2).sum(2)[:, None]
        distances = distances - 2 * queries @ means.transpose(0, 2, 1)
        correct.append(distances.argmin(axis=2) == query_y)
    # Above chance, or there would be nothing to learn; but hard.
    assert 0.3 < np.mean(correct) < 0.6


@pytest.mark.parametrize("split", ["Train", "val", None, 0])
def test_bad_split(split):
    with pytest.raises(ValueError, match="one of 'train', 'validation'"):
        Glyphs(split)


@pytest.mark.parametrize("drawer_ids", [0, [0], [[0, 1]]])
def test_bad_ids(drawer_ids):
    with pytest.raises(ValueError, match="vectors of the same length"):
        Glyphs().drawings([0, 1], drawer_ids)


def test_bad_episodes():
    spec = EpisodeSpec(ways=3, shots=1, queries=2)
    with pytest.raises(ValueError, match=r"Received: spec=\(5, 1, 15\)"):
        Glyphs().episodes((5, 1, 15))
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        Glyphs().episodes(spec, batch_size=0)
    with pytest.raises(ValueError, match="Received: seed=-1"):
        Glyphs().episodes(spec, seed=-1)
