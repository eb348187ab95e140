import math

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.tasks import Sinusoid


def test_shapes_and_dtypes():
    x, query_y = next(iter(Sinusoid(shots=3, queries=7).episodes(batch_size=2)))
    assert set(x) == {"support_x", "support_y", "query_x"}
    assert x["support_x"].shape == x["support_y"].shape == (2, 3, 1)
    assert x["query_x"].shape == query_y.shape == (2, 7, 1)
    assert {t.dtype for t in [*x.values(), query_y]} == {tf.float32}


def test_every_task_is_a_wave_of_the_family():
    x, query_y = next(iter(Sinusoid(20, 20).episodes(batch_size=500)))
    inputs = tf.concat([x["support_x"], x["query_x"]], 1).numpy()[..., 0]
    outputs = tf.concat([x["support_y"], query_y], 1).numpy()[..., 0]
    assert -5 <= inputs.min() < -4.9
    assert 4.9 < inputs.max() <= 5
    amplitudes, phases = [], []
    for task_x, task_y in zip(inputs, outputs):
        # amplitude * sin(x - phase) = a * sin(x) + b * cos(x), a linear fit.
        basis = np.stack([np.sin(task_x), np.cos(task_x)], 1)
        (a, b), *_ = np.linalg.lstsq(basis, task_y, rcond=None)
        np.testing.assert_allclose(basis @ [a, b], task_y, atol=1e-4)
        amplitudes.append(math.hypot(a, b))
        phases.append(math.atan2(-b, a))
    assert_uniform(amplitudes, 0.1, 5.0)
    assert_uniform(phases, 0.0, math.pi)
    assert abs(np.corrcoef(amplitudes, phases)[0, 1]) < 0.15


def assert_uniform(values, low, high):
    values = (np.array(values) - low) / (high - low)
    assert values.min() > -1e-4
    assert values.max() < 1 + 1e-4
    # Twice the critical value of Kolmogorov and Smirnov at 1 %.
    ranks = np.arange(len(values)) / len(values)
    assert np.abs(np.sort(values) - ranks).max() < 3.2 / len(values) ** 0.5


def test_support_and_query_are_drawn_independently():
    x, _ = next(iter(Sinusoid(10, 10).episodes(batch_size=200)))
    support, query = x["support_x"].numpy(), x["query_x"].numpy()
    assert abs(np.corrcoef(support.ravel(), query.ravel())[0, 1]) < 0.08


def test_neighbouring_tasks_are_unrelated():
    x, query_y = next(iter(Sinusoid(10, 10).episodes(batch_size=200)))
    for tensor in [*x.values(), query_y]:
        flat = tensor.numpy().reshape(200, -1)
        assert len(np.unique(flat, axis=0)) == 200
    first = x["support_x"].numpy()
    assert abs(np.corrcoef(first[1:].ravel(), first[:-1].ravel())[0, 1]) < 0.08


def test_an_episode_is_a_pure_function_of_seed_and_index():
    sinusoid = Sinusoid()
    in_fours = flattened(sinusoid.episodes(4, seed=3, num_episodes=10))
    in_ones = flattened(sinusoid.episodes(1, seed=3, num_episodes=10))
    again = flattened(Sinusoid().episodes(4, seed=3, num_episodes=10))
    alone = sinusoid.task(tf.constant([3, 7], "int64"))[1].numpy()
    np.testing.assert_array_equal(in_fours, in_ones)
    np.testing.assert_array_equal(in_fours, again)
    np.testing.assert_allclose(in_fours[7], alone, atol=1e-5)
    other = flattened(sinusoid.episodes(4, seed=4, num_episodes=10))
    assert not np.isclose(in_fours, other).any(axis=(1, 2)).all()


def flattened(episodes):
    return np.concatenate([query_y for _, query_y in episodes])


def test_cardinality():
    assert Sinusoid().episodes().cardinality() == tf.data.INFINITE_CARDINALITY
    assert Sinusoid().episodes(4, num_episodes=10).cardinality() == 3
    sizes = [len(y) for _, y in Sinusoid().episodes(4, num_episodes=10)]
    assert sizes == [4, 4, 2]


@pytest.mark.parametrize("name", ["shots", "queries"])
@pytest.mark.parametrize("value", [0, 2.5, True])
def test_bad_size(name, value):
    with pytest.raises(ValueError, match=f"Received: {name}={value}"):
        Sinusoid(**{name: value})


def test_bad_episodes():
    with pytest.raises(ValueError, match="Received: batch_size=0"):
        Sinusoid().episodes(batch_size=0)
    with pytest.raises(ValueError, match="Received: seed=-1"):
        Sinusoid().episodes(seed=-1)
