import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import Manifest
from kerasmeta.episodes import episodes_from_arrays
from kerasmeta.episodes import manifest
from kerasmeta.episodes import mix_episodes

X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
Y = np.arange(60) % 6
SPEC = EpisodeSpec(3, 1, 4)


def episodes(spec=SPEC, x=X, **kwargs):
    kwargs = {"num_episodes": 30, "seed": 5, **kwargs}
    return episodes_from_arrays(x, Y, spec, **kwargs)


def leaves(data):
    rows = [[t.numpy() for t in tf.nest.flatten(batch)] for batch in data]
    return [np.concatenate(column) for column in zip(*rows)]


@pytest.mark.parametrize(
    "spec",
    [SPEC, EpisodeSpec((2, 3), (1, 2), 4), EpisodeSpec.meta_dataset((2, 4))],
)
def test_reads_back_the_same_episodes(tmp_path, spec):
    path = tmp_path / "test.npz"
    manifest(episodes(spec)).save(path)
    # From another dataset of the same data.
    frozen = Manifest.load(path).episodes(episodes(seed=9), batch_size=7)
    for a, b in zip(leaves(frozen), leaves(episodes(spec)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_regression(tmp_path):
    data = episodes_from_arrays(
        X, X[:, :1], EpisodeSpec(shots=2, queries=3), groups=Y, num_episodes=9
    )
    manifest(data).save(tmp_path / "test.npz")
    frozen = Manifest.load(tmp_path / "test.npz").episodes(data)
    for a, b in zip(leaves(frozen), leaves(data), strict=True):
        np.testing.assert_array_equal(a, b)


def test_other_libraries_can_read_it(tmp_path):
    path = tmp_path / "test.npz"
    manifest(episodes()).save(path)
    with np.load(path) as file:  # No pickle.
        ids, labels = file["query_ids"], file["query_y"]
    x, query_y = [], []
    for batch, y in episodes():
        x.append(batch["query_x"])
        query_y.append(y)
    np.testing.assert_array_equal(X[ids], np.concatenate(x))
    np.testing.assert_array_equal(labels, np.concatenate(query_y))
    assert path.stat().st_size < 6000


def test_of_an_endless_dataset():
    endless = episodes(num_episodes=None)
    found = manifest(endless, num_episodes=30)
    np.testing.assert_array_equal(
        found.arrays["query_ids"], manifest(episodes()).arrays["query_ids"]
    )
    with pytest.raises(ValueError, match="this dataset is endless"):
        manifest(endless)


def test_other_data_are_refused():
    frozen = manifest(episodes())
    with pytest.raises(ValueError, match="the contents of the examples differ"):
        frozen.episodes(episodes(x=X + 1))
    fewer = episodes_from_arrays(X[:54], Y[:54], SPEC)
    with pytest.raises(ValueError, match="it counts 60 examples"):
        frozen.episodes(fewer)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", b"hello"])
def test_damaged_files(tmp_path, content):
    path = tmp_path / "test.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="no manifest of episodes"):
        Manifest.load(path)


def test_truncated_file(tmp_path):
    path = tmp_path / "test.npz"
    manifest(episodes()).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="no manifest of episodes"):
        Manifest.load(path)


def test_other_archives_are_refused(tmp_path):
    path = tmp_path / "test.npz"
    np.savez(path, about=np.array('{"format": "other"}'))
    with pytest.raises(ValueError, match="must be of the format"):
        Manifest.load(path)
    np.savez(path, x=X)
    with pytest.raises(ValueError, match="no manifest"):
        Manifest.load(path)
    with pytest.raises(FileNotFoundError):
        Manifest.load(tmp_path / "absent.npz")


def test_needs_a_dataset_of_ours():
    with pytest.raises(ValueError, match="before any `.map`"):
        manifest(episodes().take(1))


def test_other_targets_are_refused():
    spec = EpisodeSpec(shots=2, queries=3)

    def regression(targets):
        return episodes_from_arrays(X, targets, spec, groups=Y, num_episodes=9)

    with pytest.raises(ValueError, match="the contents of the examples differ"):
        manifest(regression(X[:, 0])).episodes(regression(-X[:, 0]))


def test_augmented_episodes_and_mixtures_have_none():
    changed = episodes(augment_query=lambda example, seed: example)
    with pytest.raises(ValueError, match="leave augmentation out"):
        manifest(changed)
    with pytest.raises(ValueError, match="not a mixture"):
        manifest(mix_episodes([episodes()], num_episodes=4))


@pytest.mark.parametrize("num_episodes", [31, 0, -1, 2.5])
def test_number_of_episodes_must_be_there(num_episodes):
    with pytest.raises(ValueError, match="num_episodes"):
        manifest(episodes(), num_episodes)
