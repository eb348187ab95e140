import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_arrays

SPEC = EpisodeSpec(ways=3, shots=2, queries=4)
# The value of an example is its id.
X = np.arange(80)[:, None]
Y = np.arange(80) % 8


@pytest.fixture(scope="module")
def endless():
    return episodes_from_arrays(X, Y, SPEC, batch_size=4)


def episodes_of(dataset, count=24):
    """Return the first episodes, one a row: `[count, ...]` each."""
    rows = [
        [leaf.numpy() for leaf in tf.nest.flatten(batch)]
        for batch in dataset.take(count)
    ]
    return [np.concatenate(leaves)[:count] for leaves in zip(*rows)]


def assert_same(one, two):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_shapes_and_dtypes():
    images = np.zeros((80, 9, 7, 3), "uint8")
    data = episodes_from_arrays(images, Y, SPEC, batch_size=5)
    assert data.element_spec == (
        {
            "support_x": tf.TensorSpec((5, 6, 9, 7, 3), "float32"),
            "support_y": tf.TensorSpec((5, 6), "int32"),
            "query_x": tf.TensorSpec((5, 12, 9, 7, 3), "float32"),
        },
        tf.TensorSpec((5, 12), "int32"),
    )


def test_learners_can_ask_for_the_spec(endless):
    assert endless.episode_spec == SPEC


def test_examples_are_distinct_and_have_the_right_labels():
    data = episodes_from_arrays(X, Y, SPEC, num_episodes=200, batch_size=50)
    for x, query_y in data:
        ids = np.concatenate([x["support_x"], x["query_x"]], axis=1)[..., 0]
        labels = np.concatenate([x["support_y"], query_y], axis=1)
        for task_ids, task_labels in zip(ids, labels):
            assert len(set(task_ids)) == 18
            pairs = set(zip(Y[task_ids], task_labels))
            assert len(pairs) == 3
            assert sorted(label for _, label in pairs) == [0, 1, 2]


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_an_episode_does_not_depend_on_the_batch_size(endless, batch_size):
    data = episodes_from_arrays(X, Y, SPEC, batch_size)
    assert_same(episodes_of(data), episodes_of(endless))


def test_every_iteration_is_the_same(endless):
    assert_same(episodes_of(endless), episodes_of(endless))


def test_finite_is_the_start_of_endless_whatever_the_global_seed(endless):
    tf.random.set_seed(12345)
    finite = episodes_from_arrays(X, Y, SPEC, num_episodes=24)
    assert_same(episodes_of(finite), episodes_of(endless))
    assert_same(episodes_of(finite), episodes_of(finite))


def test_skip_resumes(endless):
    later = episodes_of(endless.skip(3), 12)
    assert_same(later, [leaf[12:] for leaf in episodes_of(endless)])


def test_shards_are_strides(endless):
    data = episodes_from_arrays(X, Y, SPEC, batch_size=1)
    assert_same(
        episodes_of(data.shard(3, 1), 8),
        [leaf[1::3] for leaf in episodes_of(endless)],
    )


def test_every_seed_has_its_own_episodes(endless):
    other = episodes_of(episodes_from_arrays(X, Y, SPEC, seed=1))
    for a, b in zip(other, episodes_of(endless)):
        assert a.tolist() != b.tolist()


def test_changing_the_array_later_changes_nothing():
    x = X.copy()
    data = episodes_from_arrays(x, Y, SPEC)
    before = episodes_of(data)
    x[:] = -1
    assert_same(before, episodes_of(data))


def test_dtypes_and_values():
    expected = {
        "uint8": "float32",
        "int16": "float32",
        "bool": "float32",
        "float16": "float32",
        "float32": "float32",
        "float64": "float32",
        ">f4": "float32",
        "int32": "int32",
        "int64": "int64",
        "uint32": "uint32",
    }
    x = {"id": X, **{dtype: X.astype(dtype) for dtype in expected}}
    batch, _ = next(iter(episodes_from_arrays(x, Y, SPEC)))
    for examples in (batch["support_x"], batch["query_x"]):
        ids = examples["id"].numpy()[..., 0]
        for dtype in expected:
            assert examples[dtype].dtype == expected[dtype]
            # Not rescaled.
            np.testing.assert_array_equal(examples[dtype], x[dtype][ids])


def test_bytes_stay_bytes_until_they_are_gathered():
    x = np.repeat(np.uint8(X), 1000, axis=1)
    data = episodes_from_arrays(x, Y, SPEC)
    kinds = {np.asarray(t).dtype for t in captured(data) if t.shape == x.shape}
    assert kinds == {np.dtype("uint8")}


def captured(dataset):
    """Return the tensors that the functions of a dataset hold."""
    found = []
    while dataset is not None:
        function = getattr(dataset, "_map_func", None)
        if function is not None:
            found += function.function.captured_inputs
        dataset = getattr(dataset, "_input_dataset", None)
    return [t for t in found if t.dtype.is_integer]


def test_nests(endless):
    x = {"image": np.zeros((80, 4, 4), "uint8"), "pair": (X, X.astype(float))}
    batch, _ = next(iter(episodes_from_arrays(x, Y, SPEC)))
    plain, _ = next(iter(endless))
    for name in ("support_x", "query_x"):
        image, (ids, floats) = batch[name]["image"], batch[name]["pair"]
        assert image.shape == (*plain[name].shape[:2], 4, 4)
        assert (image.dtype, ids.dtype) == (tf.float32, tf.int64)
        np.testing.assert_array_equal(ids, plain[name])
        np.testing.assert_array_equal(floats, np.float32(ids))


@pytest.mark.parametrize("kind", ["strings", "column"])
def test_kinds_of_labels(endless, kind):
    labels = np.array(list("abcdefgh"))[Y] if kind == "strings" else Y[:, None]
    data = episodes_from_arrays(X, labels, SPEC)
    assert_same(episodes_of(data), episodes_of(endless))


def test_smallest_data_set():
    data = episodes_from_arrays(
        [[1], [2], [3], [4]], [0, 0, 1, 1], EpisodeSpec(2, 1, 1)
    )
    x, _ = next(iter(data))
    both = np.concatenate([x["support_x"], x["query_x"]], axis=1)[..., 0]
    assert (np.sort(both) == [1, 2, 3, 4]).all()


def test_unbalanced_classes():
    y = np.repeat(np.arange(4), [3, 10, 50, 300])
    x = np.arange(len(y))[:, None]
    data = episodes_from_arrays(x, y, EpisodeSpec(2, 1, 2), num_episodes=400)
    support_x, support_y, query_x, query_y = [
        leaf.reshape(400, -1) for leaf in reordered(episodes_of(data, 400))
    ]
    assert set(y[support_x].ravel()) == {0, 1, 2, 3}
    same = y[query_x][:, :, None] == y[support_x][:, None]
    assert (same == (query_y[:, :, None] == support_y[:, None])).all()


def reordered(leaves):
    """A nest is flattened in the order of its keys."""
    query_x, support_x, support_y, query_y = leaves
    return support_x, support_y, query_x, query_y


def test_first_episode_costs_nothing_and_is_the_same(endless):
    later = episodes_from_arrays(X, Y, SPEC, first_episode=8)
    assert_same(
        episodes_of(later, 12), [leaf[8:20] for leaf in episodes_of(endless)]
    )
    far = episodes_from_arrays(X, Y, SPEC, first_episode=10**12)
    assert len(episodes_of(far, 4)[0]) == 4


@pytest.mark.parametrize("batch_size", [1, 2])
def test_shards_are_disjoint_strides(endless, batch_size):
    for worker in range(3):
        mine = episodes_from_arrays(
            X, Y, SPEC, batch_size, num_episodes=24, shard=(worker, 3)
        )
        assert len(mine) == 8 // batch_size
        assert_same(
            episodes_of(mine, 8),
            [leaf[worker::3] for leaf in episodes_of(endless)],
        )


@pytest.mark.parametrize("shard", [(3, 3), (-1, 2), 1, (0,), (0.0, 2)])
def test_bad_shards(shard):
    with pytest.raises(ValueError, match="`shard` must be a pair"):
        episodes_from_arrays(X, Y, SPEC, shard=shard)


def test_more_workers_than_episodes():
    with pytest.raises(ValueError, match="Each worker needs an episode"):
        episodes_from_arrays(X, Y, SPEC, num_episodes=2, shard=(0, 3))


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match="suports"):
        episodes_from_arrays(X, Y, SPEC, augment_suports=None)


def mapped(tmp_path, array):
    np.save(tmp_path / "x.npy", array)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("dtype", ["uint8", "float64", ">f4", "int32"])
def test_mapped_files(tmp_path, dtype):
    x = np.repeat(X, 3, axis=1).astype(dtype)
    data = episodes_from_arrays(mapped(tmp_path, x), Y, SPEC)
    assert data.element_spec == (episodes_from_arrays(x, Y, SPEC).element_spec)
    assert_same(
        episodes_of(data), episodes_of(episodes_from_arrays(x, Y, SPEC))
    )


def test_nan_in_a_mapped_file_is_named_when_drawn(tmp_path):
    x = X.astype("float32")
    x[17] = np.nan
    data = episodes_from_arrays(mapped(tmp_path, x), Y, SPEC)
    with pytest.raises(Exception, match=r"first in x\[17\]"):
        episodes_of(data, 200)


def test_data_frames():
    pandas = pytest.importorskip("pandas", reason="an optional extra")
    frame = pandas.DataFrame({"a": X[:, 0], "b": 2.0 * X[:, 0]})
    data = episodes_from_arrays(frame, pandas.Series(Y), SPEC)
    expected = episodes_from_arrays(frame.to_numpy(), Y, SPEC)
    assert_same(episodes_of(data), episodes_of(expected))


def test_regression_tasks_are_groups():
    groups = np.array(list("abcdefgh"))[Y]
    spec = EpisodeSpec(shots=3, queries=4)
    data = episodes_from_arrays(X, 10 * X[:, 0], spec, groups=groups)
    assert data.element_spec == (
        {
            "support_x": tf.TensorSpec((4, 3, 1), "int64"),
            "support_y": tf.TensorSpec((4, 3, 1), "float32"),
            "query_x": tf.TensorSpec((4, 4, 1), "int64"),
        },
        tf.TensorSpec((4, 4, 1), "float32"),
    )
    for query_x, support_x, support_y, query_y in zip(*episodes_of(data)):
        ids = np.concatenate([support_x, query_x])[:, 0]
        assert len(set(ids)) == 7
        assert len(set(Y[ids])) == 1
        np.testing.assert_array_equal(support_y, 10.0 * support_x)
        np.testing.assert_array_equal(query_y, 10.0 * query_x)


def test_regression_needs_groups_and_classes_need_ways():
    with pytest.raises(ValueError, match="pass `groups=`"):
        episodes_from_arrays(X, Y, EpisodeSpec(shots=3, queries=4))


def test_regression_targets_must_be_finite():
    y = np.where(np.arange(80) == 5, np.nan, 1.0)
    with pytest.raises(ValueError, match=r"targets\[5\]"):
        episodes_from_arrays(X, y, EpisodeSpec(shots=3, queries=4), groups=Y)


def test_too_large_numbers_in_a_mapped_file(tmp_path):
    x = np.full((80, 1), 1e300)
    with pytest.raises(Exception, match="NaN or infinity"):
        episodes_of(episodes_from_arrays(mapped(tmp_path, x), Y, SPEC), 4)
