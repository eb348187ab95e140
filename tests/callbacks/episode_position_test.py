"""A run that resumes sees the episodes that it would have seen."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.callbacks.episode_position import EpisodePosition


def numbers(num_episodes=None, mapped=False):
    """Return a dataset whose episodes hold their index."""

    def task(seed):
        index = tf.cast(tf.reshape(seed[1], [1, 1]), "float32")
        return {"support_x": index, "support_y": index, "query_x": index}, index

    dataset = km.episodes.episodes_from_function(
        task, batch_size=2, num_episodes=num_episodes
    )
    return dataset.map(lambda x, y: (x, y)) if mapped else dataset


def firsts(iterator, count):
    return [int(next(iterator)[1][0, 0, 0]) // 2 for _ in range(count)]


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    ("num_episodes", "steps", "total", "batch", "expected"),
    [
        (None, 10, 23, 3, [23, 24, 25, 26, 27, 28, 29, 30]),
        (12, 3, 4, 1, [4, 5, 0, 1, 2, 3, 4, 5]),
        (12, 3, 16, 1, [4, 5, 0, 1, 2, 3, 4, 5]),
        (12, None, 16, 4, [4, 5]),
    ],
)
def test_it_continues(mapped, num_episodes, steps, total, batch, expected):
    position = EpisodePosition(numbers(num_episodes, mapped), steps)
    position.resume({**position.get(), "total": total, "batch": batch})
    iterator = position.iterator(keras.Sequential())
    assert firsts(iterator, len(expected)) == expected
    assert next(iterator, None) is None or steps


def test_counting():
    position = EpisodePosition(numbers(), np.int64(10))
    for batch in range(10):
        position.batch = batch
        assert position.advance(batch) == 1
    assert (position.total, position.batch) == (10, 10)
    assert "step 10 " in position.describe()
    assert "indices [18, 19]" in position.describe()
    position.end_epoch()
    assert json.loads(json.dumps(position.get())) == {
        "epoch": 1,
        "batch": 0,
        "total": 10,
        "steps_per_epoch": 10,
        "steps_per_execution": 1,
        "workers": 1,
    }


@pytest.mark.parametrize("steps", [3, None])
def test_the_last_episodes_of_a_pass(steps):
    position = EpisodePosition(numbers(12), steps)
    for _ in range(2 if steps else 1):
        for batch in range(steps or 6):
            position.batch = batch
            position.advance(batch)
        position.end_epoch()
    assert "indices [10, 11]" in position.describe()


def test_errors():
    with pytest.raises(ValueError, match="`tf.data.Dataset`, as"):
        EpisodePosition({"support_x": np.zeros(3)}, None)
    with pytest.raises(ValueError, match="must divide"):
        EpisodePosition(numbers(12), 4)
    for steps in (3, None):
        with pytest.raises(
            ValueError, match="steps_per_execution=4 for epochs"
        ):
            EpisodePosition(numbers(12), steps, steps_per_execution=4)
    saved = EpisodePosition(numbers(12), 3).get()
    with pytest.raises(ValueError, match="`steps_per_epoch` must be .* 3"):
        EpisodePosition(numbers(12), 2).resume(saved)


def by_stride(num_episodes):
    return km.episodes.episodes_from_arrays(
        np.zeros([6, 1]),
        np.repeat(np.arange(3), 2),
        km.episodes.EpisodeSpec(2, 1, 1),
        batch_size=4,
        num_episodes=num_episodes,
        shard=(1, 2),
    )


def test_workers_halve_the_meta_batches_of_their_strides():
    position = EpisodePosition(by_stride(32), None, workers=2)
    # 16 episodes of its own, two a step.
    assert position.num_batches == 8
    for batch in range(4):
        position.advance(batch)
    # Before step 3, its episodes 0 to 5 of the stream 1, 3, 5, ... are gone.
    assert "indices [13, 15]" in position.describe()
    with pytest.raises(ValueError, match="multiple of `batch_size` times"):
        EpisodePosition(by_stride(30), None, workers=2)
    assert EpisodePosition(by_stride(30), None).num_batches == 4


def test_strides_are_of_as_many_workers_as_before():
    saved = EpisodePosition(by_stride(32), None, workers=2).get()
    EpisodePosition(by_stride(32), None, workers=2).resume(saved)
    with pytest.raises(ValueError, match="`workers` must be .*, 2. Received"):
        EpisodePosition(by_stride(32), None, workers=4).resume(saved)
    # Of one stream, each step has the same episodes whoever takes them.
    saved = EpisodePosition(numbers(12), None, workers=2).get()
    EpisodePosition(numbers(12), None, workers=4).resume(saved)
