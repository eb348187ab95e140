import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasmeta as km

ROOT = pathlib.Path(__file__).parents[2]


class Count(keras.layers.Layer):
    """Counts the examples that pass."""

    def build(self, input_shape):
        self.seen = self.add_weight(
            shape=(), dtype="int64", initializer="zeros", trainable=False
        )

    def call(self, inputs):
        self.seen.assign_add(
            keras.ops.cast(keras.ops.shape(inputs)[0], "int64")
        )
        return inputs


def evaluate(backbone, x, y, episodes=30):
    learner = km.learners.ProtoNet(backbone)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    spec = km.episodes.EpisodeSpec(ways=3, shots=2, queries=4)
    data = km.episodes.episodes_from_arrays(
        x, y, spec, batch_size=5, num_episodes=episodes
    )
    return learner.evaluate(data, return_dict=True, verbose=0)["accuracy"]


def test_each_example_is_embedded_once():
    """And not once for each episode that draws it."""
    count = Count()
    backbone = keras.Sequential(
        [keras.Input((8,)), count, keras.layers.Dense(4)]
    )
    x = np.random.default_rng(0).normal(size=(40, 8))
    y = np.repeat(np.arange(4), 10)
    features = km.evaluation.embed(backbone, x, batch_size=7)
    assert int(count.seen) == 40
    inputs = keras.Input((4,))
    cached = evaluate(keras.Model(inputs, inputs), features, y)
    assert int(count.seen) == 40
    assert evaluate(backbone, x, y) == pytest.approx(cached)
    # One more is looked at before, to see that the backbone takes it.
    assert int(count.seen) == 40 + 1 + 30 * 3 * (2 + 4)


@pytest.mark.slow
def test_the_benchmark_runs():
    options = ["--episodes", "100", "--direct-episodes", "8"]
    done = subprocess.run(
        [sys.executable, "benchmarks/cached_features.py", *options]
        + ["--images-per-class", "30", "--filters", "32"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.splitlines()[-1])
    seconds = facts["embed_seconds"] + facts["cached_seconds"]
    assert facts["faster"] == pytest.approx(
        facts["direct_seconds"] / seconds, abs=0.1, rel=0.01
    )
    # Images of noise: five ways, 7,500 queries.
    assert facts["accuracy"] == pytest.approx(0.2, abs=0.03)
