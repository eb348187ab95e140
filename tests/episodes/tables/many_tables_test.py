import numpy as np
import pytest

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes.tables.many_tables import episodes_from_tables

SPEC = EpisodeSpec(ways=2, shots=3, queries=4, within_groups=True)
X, Y = np.arange(60.0).reshape(20, 3), np.arange(20) % 2
TABLES = {"a": (X, Y), "b": (np.ones((20, 5)), np.array(["no", "yes"])[Y])}


@pytest.fixture
def uci(shared_file):
    with np.load(shared_file("data", "uci_small", "uci_small.npz")) as file:
        arrays = dict(file)
    names = sorted(name[:-3] for name in arrays if name.endswith("__X"))
    return {n: (arrays[f"{n}__X"], arrays[f"{n}__y"]) for n in names}


def test_every_episode_is_of_one_real_table(uci):
    spec = EpisodeSpec(
        ways=2,
        shots=5,
        queries=10,
        within_groups=True,
        small_classes="drop",
    )
    data = episodes_from_tables(uci, spec, batch_size=20, num_episodes=200)
    rows = {
        name: {
            row.tobytes(): y
            for row, y in zip(np.pad(x, [(0, 0), (0, 129 - x.shape[1])]), y)
        }
        for name, (x, y) in uci.items()
    }
    seen = set()
    for x, query_y in data:
        assert x["support_x"].shape == (20, 10, 129)
        examples = np.concatenate([x["support_x"], x["query_x"]], axis=1)
        labels = np.concatenate([x["support_y"], query_y], axis=1)
        for task, task_labels in zip(examples, labels):
            homes = [
                name
                for name, known in rows.items()
                if all(row.tobytes() in known for row in task)
            ]
            # Two of the tables have the same rows.
            assert homes
            seen.update(homes)
            assert np.bincount(task_labels).tolist() == [15, 15]
    assert len(seen) > 30


def test_a_label_is_a_class_of_its_table(uci):
    x, y = uci["iris"]
    spec = EpisodeSpec(ways=3, shots=5, queries=10, within_groups=True)
    data = episodes_from_tables({"iris": (x, y)}, spec, num_episodes=8)
    classes = {}
    for row, label in zip(x, y):
        classes.setdefault(row.tobytes(), set()).add(int(label))
    for episodes, _ in data:
        for task, labels in zip(episodes["support_x"], episodes["support_y"]):
            pairs = {
                (min(classes[row.tobytes()]), int(label))
                for row, label in zip(task.numpy(), labels)
            }
            assert len(pairs) == 3


def test_small_classes_are_named(uci):
    with pytest.raises(ValueError, match=r"anneal/\d \(8\)"):
        episodes_from_tables(
            uci, EpisodeSpec(ways=2, shots=5, queries=10, within_groups=True)
        )


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_episode_does_not_depend_on_the_batch_size(batch_size):
    def examples(size):
        data = episodes_from_tables(TABLES, SPEC, size, seed=7, num_episodes=6)
        return np.concatenate([x["query_x"] for x, _ in data])

    np.testing.assert_array_equal(examples(batch_size), examples(6))


def test_width():
    data = episodes_from_tables(TABLES, SPEC, width=9)
    x, _ = next(iter(data))
    assert x["query_x"].shape == (4, 8, 9)
    assert not np.any(x["query_x"][..., 5:])


NAN = X.copy()
NAN[4, 2] = np.nan


@pytest.mark.parametrize(
    "tables, options, words",
    [
        ({"a": (NAN, Y)}, {}, ["tables['a'][0]", "row 4, column 2"]),
        ({"a": (X, Y[:9])}, {}, ["'a'", "(20, 3)", "(9,)"]),
        ({"a": (X[:, 0], Y)}, {}, ["'a'", "(20,)"]),
        ({"a": X[:, :1]}, {}, ["'a'", "pair"]),
        ({"a": (X.astype(str) + "?", Y)}, {}, ["'a'", "table_encoder"]),
        ({"a": (X, Y + 0.5)}, {}, ["tables['a'][1]", "0.5"]),
        ({}, {}, ["at least one table"]),
        ({1: (X, Y), "1": (X, Y)}, {}, ["differ as strings", "[1, '1']"]),
        ({"a": (X, np.array([b"a", b"\xe4"])[Y])}, {}, ["UTF-8", "xe4"]),
        (TABLES, {"width": 4}, ["width=4", "'b' has 5"]),
        (TABLES, {"spec": EpisodeSpec(2, 1, 1)}, ["within_groups=True"]),
        (TABLES, {"spec": EpisodeSpec(shots=1)}, ["ways"]),
        (TABLES, {"spec": None}, ["EpisodeSpec"]),
    ],
)
def test_errors_name_what_is_wrong(tables, options, words):
    with pytest.raises(ValueError) as error:
        episodes_from_tables(tables, **{"spec": SPEC, **options})
    for word in words:
        assert word in str(error.value)
