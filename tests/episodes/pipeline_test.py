import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.episodes import EpisodeSpec
from kerasmeta.episodes import episodes_from_arrays
from kerasmeta.episodes import episodes_from_function


def task(seed):
    """An episode that says which it is, and has a random number."""
    number = tf.random.stateless_uniform([2, 1], seed)
    x = {"support_x": seed[:, None], "support_y": number, "query_x": number}
    return x, number


def from_arrays(**kwargs):
    x, y = np.arange(8)[:, None], np.arange(8) % 2
    return episodes_from_arrays(x, y, EpisodeSpec(2, 1, 1), **kwargs)


def from_function(**kwargs):
    return episodes_from_function(task, **kwargs)


both = pytest.mark.parametrize("make", [from_arrays, from_function])


@both
@pytest.mark.parametrize(
    "num_episodes, batch_size, sizes",
    [
        (12, 4, [4, 4, 4]),
        (10, 4, [4, 4, 2]),
        (1, 1, [1]),
        (3, 8, [3]),
        (np.int64(8), np.int8(8), [8]),
    ],
)
def test_cardinality_counts_meta_batches(make, num_episodes, batch_size, sizes):
    data = make(num_episodes=num_episodes, batch_size=batch_size)
    assert data.cardinality() == len(data) == len(sizes)
    assert [len(query_y) for _, query_y in data] == sizes


@both
def test_endless(make):
    data = make(batch_size=3)
    assert data.cardinality() == tf.data.INFINITE_CARDINALITY
    assert sum(1 for _ in data.take(50)) == 50


@both
@pytest.mark.parametrize("num_episodes, tasks", [(None, 4), (8, 4), (9, None)])
def test_number_of_tasks_is_static_where_it_can_be(make, num_episodes, tasks):
    x, query_y = make(num_episodes=num_episodes, batch_size=4).element_spec
    for leaf in [*x.values(), query_y]:
        assert leaf.shape[0] == tasks
        assert None not in leaf.shape[1:]


@both
def test_works_in_a_graph(make):
    data = make(num_episodes=6, batch_size=4)

    @tf.function
    def total():
        return data.reduce(0, lambda n, batch: n + tf.shape(batch[1])[0])

    assert total() == 6


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_tasks_get_seed_and_index(batch_size):
    data = from_function(seed=7, batch_size=batch_size, num_episodes=10)
    seeds = np.concatenate([x["support_x"] for x, _ in data])[..., 0]
    assert seeds.tolist() == [[7, i] for i in range(10)]
    assert seeds.dtype == np.int64
    numbers = np.concatenate([query_y for _, query_y in data])
    expected = np.stack([task(tf.constant(s))[1] for s in seeds])
    np.testing.assert_array_equal(numbers, expected)


def test_large_seed():
    x, _ = next(iter(from_function(seed=2**63 - 1)))
    assert x["support_x"].numpy()[0].tolist() == [[2**63 - 1], [0]]


def test_task_must_be_a_function():
    with pytest.raises(ValueError) as error:
        episodes_from_function([1, 2])
    assert str(error.value) == (
        "`task` must be a function of one seed `[seed, index]` that returns "
        "`(x, query_y)`. Received: task=[1, 2]"
    )


@pytest.mark.parametrize("name", ["batch_size", "num_episodes", "seed"])
@pytest.mark.parametrize("value", [-1, True, 2.5, "4"])
def test_sizes_and_seed_must_be_integers(name, value):
    with pytest.raises(ValueError) as error:
        from_function(**{name: value})
    assert str(error.value) == (
        f"`{name}` must be an integer of at least {int(name != 'seed')}. "
        f"Received: {name}={value!r}"
    )
