import re

import numpy as np
import pytest

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_arrays
from kerasmeta.episodes import split_classes

LABELS = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 4))


def classes_in(labels, splits):
    """Check that splits are disjoint and complete; count their classes."""
    every = np.concatenate(list(splits.values()))
    assert sorted(every) == list(range(len(labels)))
    sets = {name: set(labels[ids]) for name, ids in splits.items()}
    assert sum(map(len, sets.values())) == len(set(labels))
    assert all((np.diff(ids) > 0).all() for ids in splits.values())
    return {name: len(classes) for name, classes in sets.items()}


@pytest.mark.parametrize(
    "sizes, expected",
    [
        ({"train": 6, "validation": 2, "test": 2}, [6, 2, 2]),
        ({"train": 0.6, "validation": 0.2, "test": 0.2}, [6, 2, 2]),
        ({"train": 0.7, "validation": 0.2, "test": 0.1}, [7, 2, 1]),
        ({"train": 0.6, "validation": 1, "test": None}, [6, 1, 3]),
        ({"train": None, "test": np.int64(3)}, [7, 3]),
        ({"train": np.float32(0.1), "test": None}, [1, 9]),
        ({"all": 1.0}, [10]),
        ({"all": None}, [10]),
        # Rounded, and yet nothing is lost.
        ({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, [3, 4, 3]),
        ({"a": 0.25, "b": 0.75}, [3, 7]),
        ({"a": 0.25, "b": 5, "c": 0.25}, [3, 5, 2]),
        ({"a": 0.26, "b": None}, [3, 7]),
    ],
)
def test_sizes(sizes, expected):
    splits = split_classes(LABELS, sizes)
    assert list(splits) == list(sizes)
    assert list(classes_in(LABELS, splits).values()) == expected


def test_one_is_a_count_and_one_point_zero_a_fraction():
    splits = split_classes(LABELS, {"train": 1, "test": None})
    assert classes_in(LABELS, splits)["train"] == 1


def test_seed_decides():
    def train(seed):
        return split_classes(LABELS, {"a": 5, "b": 5}, seed=seed)["a"].tolist()

    assert train(0) == train(0)
    assert len({tuple(train(seed)) for seed in range(20)}) > 15


def test_frozen_split():
    # A published split must never change.
    splits = split_classes(range(12), {"a": 3, "b": None, "c": 4}, seed=42)
    assert {name: ids.tolist() for name, ids in splits.items()} == {
        "a": [3, 5, 8],
        "b": [0, 2, 6, 10, 11],
        "c": [1, 4, 7, 9],
    }


def test_every_class_is_as_likely_to_be_held_out():
    counts = np.zeros(10)
    for seed in range(200):
        counts[
            split_classes(range(10), {"a": 0.7, "b": 3}, seed=seed)["b"]
        ] += 1
    # 60 each, standard deviation 6.5.
    assert np.abs(counts - 60).max() < 30


def test_order_of_the_examples_does_not_matter():
    order = np.random.default_rng(1).permutation(len(LABELS))
    sizes = {"train": 5, "test": 5}
    one = split_classes(LABELS, sizes)["train"]
    two = split_classes(LABELS[order], sizes)["train"]
    assert set(LABELS[one]) == set(LABELS[order][two])


@pytest.mark.parametrize("kind", ["int", "str", "column", "list"])
def test_kinds_of_labels(kind):
    labels = {
        "int": LABELS,
        "str": np.array([f"class {k}" for k in LABELS]),
        "column": LABELS[:, None],
        "list": LABELS.tolist(),
    }[kind]
    expected = split_classes(LABELS, {"train": 5, "test": 5})
    splits = split_classes(labels, {"train": 5, "test": 5})
    for name, ids in expected.items():
        np.testing.assert_array_equal(splits[name], ids)


def test_groups_stay_whole_and_are_counted():
    groups = np.array(["Greek", "Latin", "Thai", "Tamil", "Runes"])[LABELS // 2]
    splits = split_classes(LABELS, {"train": 0.6, "test": None}, groups=groups)
    assert classes_in(LABELS, splits) == {"train": 6, "test": 4}
    assert classes_in(groups, splits) == {"train": 3, "test": 2}


def test_splits_of_omniglot_share_no_alphabet(shared_file):
    path = shared_file("data", "omniglot", "omniglot_background_28_u8.npz")
    with np.load(path) as data:
        images, labels = data["images"], data["char_id"]
        alphabets = data["alphabet_names"][data["alphabet"]]
    sizes = {"train": 20, "validation": 0.2, "test": None}
    splits = split_classes(labels, sizes, groups=alphabets)
    assert classes_in(alphabets, splits) == {
        "train": 20,
        "validation": 6,
        "test": 4,
    }
    assert sum(classes_in(labels, splits).values()) == 964
    ids = splits["test"]
    episodes = episodes_from_arrays(
        images[ids], labels[ids], EpisodeSpec(20, 1, 15), num_episodes=2
    )
    x, query_y = next(iter(episodes))
    assert x["support_x"].shape == (2, 20, 28, 28)
    # Drawings of one character look more alike than those of two.
    support, query = x["support_x"].numpy(), x["query_x"].numpy()
    distance = ((query[:, :, None] - support[:, None]) ** 2).sum((3, 4))
    nearest = np.take_along_axis(x["support_y"].numpy(), distance.argmin(2), 1)
    assert (nearest == query_y.numpy()).mean() > 0.15  # Three times chance.


def says(message):
    """Return a pattern of this text, where `.*` is any other text."""
    return ".*".join(map(re.escape, message.split(".*")))


BAD = {
    "not a dictionary": (
        dict(sizes=[0.8, 0.2]),
        "`sizes` must be a dictionary of splits such as "
        '{"train": 0.8, "test": None}. Received: sizes=[0.8, 0.2]',
    ),
    "empty": (
        dict(sizes={}),
        "must be a dictionary of splits such as .*sizes={}",
    ),
    "too few": (
        dict(sizes={"train": 6, "test": 3}),
        "The sizes of the splits must add up to all 10 classes, or exactly one "
        "of them must be `None`, for the rest. "
        "Received: sizes={'train': 6, 'test': 3}, which add up to 9",
    ),
    "too many": (
        dict(sizes={"train": 6, "test": 5}),
        "add up to all 10 classes.*which add up to 11",
    ),
    "fractions below one": (
        dict(sizes={"train": 0.8, "test": 0.15}),
        "add up to all 10 classes.*which add up to 9.5",
    ),
    "two rests": (
        dict(sizes={"a": 6, "b": None, "c": None}),
        "exactly one of them must be `None`",
    ),
    "no rest": (
        dict(sizes={"train": 10, "test": None}),
        "Each split must get at least one of the 10 classes. Give a larger "
        "size. Received: sizes={'train': 10, 'test': None}, "
        "which gives {'train': 10, 'test': 0}",
    ),
    "more than all, and a rest": (
        dict(sizes={"train": 12, "test": None}),
        "at least one of the 10 classes.*'test': -2}",
    ),
    "rounded to nothing": (
        dict(sizes={"train": 0.96, "test": 0.04}),
        "which gives {'train': 10, 'test': 0}",
    ),
    "groups": (
        dict(sizes={"train": 2, "test": 2}, groups=LABELS // 2),
        "add up to all 5 groups",
    ),
    "groups of another length": (
        dict(groups=[1, 2, 3]),
        "`groups` must name the group of each example, so it must be as long "
        "as `labels`, 40. Received: 3 groups",
    ),
    "a class in two groups": (
        dict(labels=["a", "b", "a"], groups=["Latin", "Latin", "Greek"]),
        "A class must belong to one group, or the splits would share it. If "
        "groups use the same label for different classes, label the pair of "
        "group and class instead. "
        "Received: class a in the groups Latin and Greek",
    ),
    "groups without a name": (
        dict(groups=np.where(LABELS > 8, np.nan, LABELS)),
        "`groups` must hold classes.*4 of 40 values of dtype float64.*nan",
    ),
    "labels of measurements": (
        dict(labels=LABELS / 2),
        "`labels` must hold classes, integers or strings.*such as ",
    ),
    "one-hot labels": (
        dict(labels=np.eye(10)[LABELS]),
        "One-hot labels: use `labels.argmax(-1)`. "
        "Received: labels.shape=(40, 10)",
    ),
    "seed": (dict(seed=-1), "`seed` must be .* Received: seed=-1"),
}
for size in (0, -3, 0.0, 1.5, 20.0, float("nan"), True, "half", [1, 2]):
    BAD[f"size {size}"] = (
        dict(sizes={"train": None, "test": size}),
        "The size of a split must be a positive number of classes or groups "
        "(integer), a fraction of them (float in 0..1), or `None` for the "
        f"rest. Received: sizes['test']={size!r}",
    )


@pytest.mark.parametrize("row", BAD)
def test_bad_input(row):
    kwargs, message = BAD[row]
    kwargs = {"labels": LABELS, "sizes": {"train": 5, "test": 5}, **kwargs}
    with pytest.raises(ValueError, match=says(message)):
        split_classes(**kwargs)
