"""Print which examples a worker gets, step by step; run by a test."""

import json
import sys

import numpy as np
import tensorflow as tf

STRATEGY = tf.distribute.MultiWorkerMirroredStrategy()

import kerasmeta as km  # noqa: E402


def make(num_episodes, **options):
    """The features of an example are its own number."""
    y = np.repeat(np.arange(6), 10)
    x = np.arange(60, dtype="float32")[:, None]
    spec = km.episodes.EpisodeSpec(3, 1, 2)
    return km.episodes.episodes_from_arrays(
        x, y, spec, 4, num_episodes=num_episodes, **options
    )


def steps(dataset):
    """Return the examples of each step, as `experimental_distribute` gives."""
    distributed = STRATEGY.experimental_distribute_dataset(dataset)
    return [
        STRATEGY.experimental_local_results(x["support_x"])[0][..., 0]
        .numpy()
        .astype(int)
        .tolist()
        for x, _ in distributed
    ]


def main():
    worker = STRATEGY.cluster_resolver.task_id
    found = {
        "whole": steps(make(11)),
        "by_stride": steps(make(11, shard=(worker, 2))),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
