"""Workers share out the very stream that one of them would see."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

SCRIPT = pathlib.Path(__file__).with_name("workers_script.py")
POLICY = tf.data.experimental.AutoShardPolicy


def numbers(num_episodes, **options):
    y = np.repeat(np.arange(6), 10)
    x = np.arange(60, dtype="float32")[:, None]
    spec = km.episodes.EpisodeSpec(3, 1, 2)
    return km.episodes.episodes_from_arrays(
        x, y, spec, 4, num_episodes=num_episodes, **options
    )


@pytest.mark.parametrize(
    "shard, policy", [((0, 1), POLICY.DATA), ((1, 2), POLICY.OFF)]
)
def test_only_whole_streams_are_shared_out(shard, policy):
    options = numbers(8, shard=shard).options()
    assert options.experimental_distribute.auto_shard_policy == policy


@pytest.mark.slow
def test_workers_share_out_one_stream(run_workers):
    stream = [
        task
        for x, _ in numbers(11)
        for task in x["support_x"][..., 0].numpy().astype(int).tolist()
    ]
    first, second = map(json.loads, run_workers(SCRIPT))
    # Both take as many steps, and all tasks of a step are those that one worker
    # would see in it; only the last tasks of strides come one by one.
    for way, whole_steps in (("whole", 3), ("by_stride", 2)):
        pairs = list(zip(first[way], second[way], strict=True))
        assert [sorted(a + b) for a, b in pairs[:whole_steps]] == [
            sorted(stream[i : i + 4]) for i in range(0, 4 * whole_steps, 4)
        ]
        assert sorted(sum((a + b for a, b in pairs), [])) == sorted(stream)
    assert sum(first["by_stride"], []) == stream[::2]
    assert sum(second["by_stride"], []) == stream[1::2]
