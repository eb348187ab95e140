import decimal
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes.tables.table import episodes_from_table

SPEC = EpisodeSpec(shots=5, queries=5)
SMALL = pd.DataFrame(
    {
        "id": np.arange(40),
        "size": np.linspace(0, 1, 40),
        "kind": np.repeat(list("abcd"), 10),
        "farm": np.repeat([1, 2], 20),
    }
)


@pytest.fixture
def grouped(shared_file):
    return lambda name: shared_file(
        "data", "grouped_regression", f"{name}.csv.gz"
    )


def rows_of(dataset):
    """Return examples and targets of support and query, a row a task."""
    for x, query_y in dataset:
        yield from zip(
            np.concatenate([x["support_x"], x["query_x"]], axis=1),
            np.concatenate([x["support_y"], query_y], axis=1),
        )


def test_a_patient_is_a_task(grouped):
    path = grouped("parkinsons_updrs")
    features = ["age", "test_time", "Jitter(%)", "PPE"]
    data = episodes_from_table(
        path,
        EpisodeSpec(shots=20, queries=30),
        target="total_UPDRS",
        group="subject#",
        features=features,
        num_episodes=40,
    )
    table = pd.read_csv(path)
    patients = dict(
        zip(
            map(tuple, table[features].to_numpy("float32")),
            zip(table["subject#"], table["total_UPDRS"]),
        )
    )
    seen = set()
    for examples, targets in rows_of(data):
        assert (examples.dtype, targets.dtype) == ("float32", "float32")
        found = [patients[tuple(row)] for row in examples]
        assert len({patient for patient, _ in found}) == 1
        assert len({tuple(row) for row in examples}) == 50
        expected = np.float32([[target] for _, target in found])
        np.testing.assert_array_equal(targets, expected)
        seen.add(found[0][0])
    assert len(seen) > 20


def test_a_compound_key_is_a_curve(grouped):
    path = grouped("aus_fertility")
    data = episodes_from_table(
        path,
        EpisodeSpec(shots=5, queries=30),
        target="Rate",
        group=["Region", "Year"],
        num_episodes=20,
    )
    table = pd.read_csv(path)
    curves = {
        tuple(curve.sort_values("Age").Rate.to_numpy("float32"))
        for _, curve in table.groupby(["Region", "Year"])
    }
    for ages, rates in rows_of(data):
        order = np.argsort(ages[:, 0])
        assert ages[order, 0].tolist() == list(range(15, 50))
        assert tuple(rates[order, 0]) in curves


def test_features_are_by_default_what_is_neither_target_nor_group(grouped):
    data = episodes_from_table(
        grouped("parkinsons_updrs"), SPEC, "total_UPDRS", group="subject#"
    )
    assert data.element_spec[0]["support_x"].shape == (4, 5, 20)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_episode_does_not_depend_on_the_batch_size(grouped, batch_size):
    def examples(size):
        data = episodes_from_table(
            grouped("aus_fertility"),
            SPEC,
            target="Rate",
            group=["Region", "Year"],
            batch_size=size,
            seed=3,
            num_episodes=6,
        )
        return [np.concatenate(leaves) for leaves in zip(*rows_of(data))]

    for one, two in zip(examples(batch_size), examples(6)):
        np.testing.assert_array_equal(one, two)


def test_small_tasks(grouped):
    path = grouped("insteval_ratings")
    spec = EpisodeSpec(shots=5, queries=15)
    options = {"target": "y", "group": "s", "features": ["studage", "lectage"]}
    with pytest.raises(
        ValueError, match=r"Each task needs at least 20 .* more"
    ):
        episodes_from_table(path, spec, **options)
    spec = EpisodeSpec(shots=5, queries=15, small_classes="drop")
    data = episodes_from_table(path, spec, **options)
    large = (pd.read_csv(path).groupby("s").size() >= 20).sum()
    assert len(data.episode_stream.candidates.sizes) == large
    spec = EpisodeSpec(shots=1, queries=15, small_classes="fewer_queries")
    with pytest.raises(ValueError, match=r"at least 2 .* \(1\)"):
        episodes_from_table(path, spec, **options)


def test_classification_within_groups():
    spec = EpisodeSpec(ways=2, shots=2, queries=8, within_groups=True)
    data = episodes_from_table(
        SMALL, spec, "kind", features=["id"], group="farm", num_episodes=30
    )
    for examples, labels in rows_of(data):
        ids = examples[:, 0].astype(int)
        assert len(set(ids)) == 20 and len(set(ids // 20)) == 1
        assert len(set(zip(ids // 10, labels))) == 2


def test_the_row_with_a_gap_is_named(shared_file):
    file = np.load(shared_file("data", "leaves100", "leaves100_features.npz"))
    texture = file["texture"].reshape(1600, 64)
    bad = np.flatnonzero(np.isnan(texture).any(axis=1))[0]
    data = pd.DataFrame(texture, columns=[f"texture{i}" for i in range(64)])
    data["species"] = np.repeat(np.arange(100), 16)
    spec = EpisodeSpec(ways=5, shots=1, queries=15)
    message = f"NaN .* 1 of 1600 rows, .* row {bad}, column 'texture0'"
    with pytest.raises(ValueError, match=message):
        episodes_from_table(data, spec, "species")
    data = data.dropna()
    with pytest.raises(ValueError, match=r"\(15\)"):
        episodes_from_table(data, spec, "species")
    spec = EpisodeSpec(ways=5, shots=1, queries=14)
    x, _ = next(iter(episodes_from_table(data, spec, "species")))
    assert x["query_x"].shape == (4, 70, 64)


def test_bad_files_are_named(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "latin.csv").write_bytes("größe,kind\n1,ä\n".encode("latin1"))
    (tmp_path / "ragged.csv").write_text("a,b\n1,2\n1,2,3\n")
    (tmp_path / "broken.csv.gz").write_bytes(b"no gzip")
    for name in ("empty.csv", "latin.csv", "ragged.csv", "broken.csv.gz"):
        with pytest.raises(ValueError, match=f"UTF-8.*{name}.*pandas says"):
            episodes_from_table(tmp_path / name, SPEC, "kind")
    with pytest.raises(ValueError, match=r"nowhere.csv.*no such file"):
        episodes_from_table(tmp_path / "nowhere.csv", SPEC, "kind")


@pytest.mark.parametrize("suffix", [".csv.zip", ".csv.zst", ".tar", ".txt", ""])
def test_files_of_other_types_are_refused(tmp_path, suffix):
    """An encrypted archive was a RuntimeError, zstd an ImportError."""
    path = tmp_path / f"data{suffix}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.csv", "a,kind\n1,2\n")
    content = bytearray(path.read_bytes())
    content[6] |= 1  # Encrypted, it says.
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    words = f"a file .csv or .csv.gz.*unpack.*data{suffix}'"
    with pytest.raises(ValueError, match=words):
        episodes_from_table(path, SPEC, "kind")


def test_suffixes_may_be_large(tmp_path):
    (tmp_path / "TABLE.CSV").write_text("a,kind\n" + "1,x\n2,y\n" * 20)
    spec = EpisodeSpec(ways=2, shots=1, queries=2)
    data = episodes_from_table(tmp_path / "TABLE.CSV", spec, "kind")
    assert next(iter(data))[1].shape == (4, 4)


@pytest.mark.parametrize(
    "content, words",
    [
        ("g,x,y\n1,2,3,4\n5,6,7,8\n", "first line has names, 3.*bad.csv"),
        ("g,x,y\n1,2,3\n5,6,7,8\n", "bad.csv.*pandas says"),
        ("g,x,x,y\n1,2,3,4\n", r"bad.csv.*columns named \['x'\]"),
        ("\ufeff\nx,g,x,y\n1,2,3,4\n", r"columns named \['x'\]"),
    ],
)
def test_columns_of_a_file_are_not_guessed(content, words, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        episodes_from_table(path, SPEC, "y", group="g")


def test_names_like_those_of_pandas_are_fine(tmp_path):
    rows = "".join(f"{i // 10},{i},{-i},1,{i}\n" for i in range(40))
    path = tmp_path / "good.csv"
    path.write_text("g,x,x.1,,y\n" + rows)
    data = episodes_from_table(path, SPEC, "y", group="g", num_episodes=2)
    for examples, targets in rows_of(data):
        np.testing.assert_array_equal(examples[:, :1], targets)
        np.testing.assert_array_equal(examples[:, 1:2], -targets)


def test_objects_that_are_numbers():
    values = [decimal.Decimal(i) if i % 2 else np.int8(i) for i in range(40)]
    data = SMALL.assign(id=pd.Series(values, dtype=object))
    options = {"features": ["id"], "group": "kind", "num_episodes": 2}
    found = episodes_from_table(data, SPEC, "size", **options)
    expected = episodes_from_table(SMALL, SPEC, "size", **options)
    for (a, _), (b, _) in zip(found, expected):
        np.testing.assert_array_equal(a["support_x"], b["support_x"])


def test_digits_that_do_not_matter_may_get_lost():
    size = 1e6 * (1 + SMALL["size"] / 3)
    data = SMALL.assign(id=2**24 + SMALL["id"] * 2, size=size)
    spec = EpisodeSpec(shots=5, queries=5)
    data = episodes_from_table(
        data, spec, "size", features=["id"], group="kind", num_episodes=2
    )
    for examples, targets in rows_of(data):
        rows = (examples[:, 0].astype(int) - 2**24) // 2
        np.testing.assert_allclose(targets[:, 0], size[rows], rtol=1e-7)


def test_pandas_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"kerasmeta\[tables\]"):
        episodes_from_table(SMALL, SPEC, "size", group="kind")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"group": None}, ["group=None", "tells tasks apart"]),
        ({"group": "barn"}, ["group='barn'", "farm"]),
        ({"group": []}, ["group", "at least one"]),
        ({"target": "weight"}, ["target='weight'", "size, kind"]),
        ({"target": "kind", "group": "farm"}, ["'kind'", "numbers", "'a'"]),
        ({"features": ["kind"], "group": "farm"}, ["'kind'", "encoder="]),
        ({"features": ["id", "size"]}, ["must not use", "'size'"]),
        ({"raw": True}, ["raw=True, encoder=None"]),
        ({"encoder": len}, ["functional model", "encoder=<built-in"]),
        ({"data": SMALL.assign(size=np.nan)}, ["row 0, column 'size'"]),
        (
            {"data": SMALL.assign(kind=SMALL.kind.where(SMALL.id != 7))},
            ["first in row 7, column 'kind'", "dropna"],
        ),
        (
            {"data": SMALL.assign(id=[*range(17), "n/a", *range(22)])},
            ["'id'", "numbers", "'n/a' in row 17"],
        ),
        (
            {"data": SMALL.assign(id=[3, "4"] * 20)},
            ["'id'", "numbers", "'4' in row 1"],
        ),
        (
            {"data": SMALL.assign(id=pd.Timestamp("2020-01-01"))},
            ["'id'", "pandas.Timedelta(days=1)"],
        ),
        (
            {"data": SMALL.assign(id=2**24 + SMALL["id"])},
            ["24 bits", "minimum of column 'id'", "16777217"],
        ),
        (
            {"data": SMALL.assign(id=1.7e9 + SMALL["id"])},
            ["minimum of column 'id'", "1700000000"],
        ),
        ({"target": ["size", "id"]}, ["target=['size', 'id']"]),
        ({"data": SMALL.assign(id=1e300)}, ["infinity", "column 'id'"]),
        ({"data": SMALL[["id", "id", "kind", "size"]]}, ["['id']", "name"]),
        ({"spec": EpisodeSpec(2, 1, 1)}, ["must hold classes", "size"]),
    ],
)
def test_errors_name_what_is_wrong(changes, words):
    arguments = {
        "data": SMALL,
        "spec": SPEC,
        "target": "size",
        "group": "kind",
        **changes,
    }
    with pytest.raises(ValueError) as error:
        episodes_from_table(**arguments)
    for word in words:
        assert word in str(error.value)
