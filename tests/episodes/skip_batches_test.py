"""Datasets begin anywhere, at no cost."""

import time

import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.episodes.skip_batches import skip_batches

SPEC = km.episodes.EpisodeSpec(ways=2, shots=1, queries=1)


def arrays(**options):
    x = np.arange(30.0)[:, None]
    y = np.repeat(np.arange(5), 6)
    return km.episodes.episodes_from_arrays(x, y, SPEC, **options)


def sinusoid(**options):
    return km.tasks.Sinusoid(2, 2).episodes(**options)


DATASETS = {
    "shard": lambda: arrays(batch_size=2, first_episode=7, shard=(1, 3)),
    "finite": lambda: arrays(num_episodes=41, shard=(2, 3)),
    "function": lambda: sinusoid(batch_size=3, num_episodes=29),
    "mapped": lambda: arrays().map(lambda x, y: (x, y)),
}


@pytest.mark.parametrize("kind", DATASETS)
def test_as_skip(kind):
    dataset = DATASETS[kind]()
    received = skip_batches(skip_batches(dataset, 1), 2)
    assert received.element_spec == dataset.element_spec
    expected = list(dataset.skip(3).take(9).as_numpy_iterator())
    received = list(received.take(9).as_numpy_iterator())
    assert len(expected) == len(received) > 0
    tf.nest.map_structure(np.testing.assert_array_equal, expected, received)


def test_however_far():
    begun = time.process_time()
    next(iter(skip_batches(sinusoid(), 10**9)))
    assert time.process_time() - begun < 5
