import numpy as np
import pytest

import kerasmeta as km
from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import audit
from kerasmeta.episodes import episodes_from_arrays
from kerasmeta.episodes import mix_episodes
from kerasmeta.episodes.scan import example_digest

SPEC = EpisodeSpec(2, 1, 1)


def dataset(x, y, **kwargs):
    return episodes_from_arrays(x, y, SPEC, **kwargs)


def clean():
    x = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
    return x, np.arange(40) // 10


def test_clean_data():
    x, y = clean()
    report = audit(dataset(x[:20], y[:20]), dataset(x[20:], y[20:]))
    assert report.is_clean
    assert report.sizes == {"train": (2, 20), "test": (2, 20)}
    assert "classes on both sides: none" in str(report)


def test_finds_what_leaks():
    x, y = clean()
    x[25], x[33] = x[7], x[32]
    x[3] = 1.5
    y[38:] = 1
    y = np.array(list("abcd"))[y]
    report = audit(dataset(x[:20], y[:20]), dataset(x[20:], y[20:]))
    assert not report.is_clean
    assert report.shared_classes == ["b"]
    assert report.duplicates == [(7, 5)]
    assert report.duplicates_within == {"train": [], "test": [(12, 13)]}
    assert report.constant == {"train": [3], "test": []}
    assert "classes on both sides: 1 (b)" in str(report)


def test_finds_nan_in_a_mapped_file(tmp_path):
    x, y = clean()
    x[4, 2] = np.nan
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    report = audit(dataset(mapped[:20], y[:20]), dataset(x[20:], y[20:]))
    assert report.not_finite == {"train": [4], "test": []}
    assert not report.is_clean
    assert report.duplicates_within == {"train": [], "test": []}


def test_single_numbers_are_not_constant():
    x, y = clean()
    report = audit(dataset(x[:20, :1], y[:20]), dataset(x[20:, :1], y[20:]))
    assert report.constant == {"train": [], "test": []}


def test_strings_are_told_apart_by_their_ends():
    assert example_digest([b"ab", b"c"]) != example_digest([b"a", b"bc"])
    assert example_digest([np.array([b"a"], object)]) == example_digest(
        [np.array([bytes([97])], object)]
    )


def test_mixtures_and_functions_are_refused_in_words():
    x, y = clean()
    data = dataset(x, y)
    with pytest.raises(ValueError, match="not a mixture"):
        audit(mix_episodes([data]), data)
    family = km.tasks.Sinusoid()
    with pytest.raises(ValueError, match="not of a function"):
        audit(data, family.episodes())


def test_omniglot_has_its_known_duplicate(shared_file):
    path = shared_file("data", "omniglot", "omniglot_background_28_u8.npz")
    with np.load(path) as data:
        x, y = data["images"][..., None], data["char_id"]
        alphabet = data["alphabet"]
    train, test = alphabet < 25, alphabet >= 25
    report = audit(dataset(x[train], y[train]), dataset(x[test], y[test]))
    assert report.shared_classes == []
    assert report.duplicates == []
    pairs = report.duplicates_within["train"]
    ids = np.flatnonzero(train)
    assert all(np.array_equal(x[ids[a]], x[ids[b]]) for a, b in pairs)
    assert len(pairs) >= 1
