"""Episodes over features that are computed once, against those over images.

5-way 5-shot 15-query episodes of ProtoNet on Conv4-64, 28x28x1 random images,
20 classes of 200. Prints one JSON line: seconds to embed all images once and to
judge the episodes over features, and seconds to judge a few episodes over
images, scaled to as many. It cannot be faster than the number of images in the
episodes over the number of images: 2,000 * 100 / 4,000.

    python benchmarks/cached_features.py
    python benchmarks/cached_features.py --episodes 40 --direct-episodes 8
"""

import argparse
import json
import os
import time

import keras
import numpy as np

import kerasmeta as km

SPEC = km.episodes.EpisodeSpec(ways=5, shots=5, queries=15)


def make_learner(backbone):
    learner = km.learners.ProtoNet(backbone)
    learner.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return learner


def judge(learner, x, y, episodes, batch_size):
    """Return seconds and logs of an evaluation, without those of tracing."""

    def data(count):
        return km.episodes.episodes_from_arrays(
            x, y, SPEC, batch_size=batch_size, num_episodes=count
        )

    learner.evaluate(data(batch_size), verbose=0)
    start = time.perf_counter()
    logs = learner.evaluate(data(episodes), verbose=0, return_dict=True)
    return time.perf_counter() - start, logs


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--episodes", type=int, default=2000)
    parser.add_argument("--direct-episodes", type=int, default=100)
    parser.add_argument("--images-per-class", type=int, default=200)
    parser.add_argument("--filters", type=int, default=64)
    arguments = parser.parse_args()

    size = 20 * arguments.images_per_class
    images = np.random.default_rng(0).integers(
        0, 256, size=(size, 28, 28, 1), dtype="uint8"
    )
    y = np.repeat(np.arange(20), arguments.images_per_class)
    backbone = km.backbones.conv4((28, 28, 1), filters=arguments.filters)

    start = time.perf_counter()
    features = km.evaluation.embed(backbone, images)
    embed_seconds = time.perf_counter() - start
    inputs = keras.Input(features.shape[1:])
    identity = keras.Model(inputs, inputs)
    cached, cached_logs = judge(
        make_learner(identity), features, y, arguments.episodes, batch_size=20
    )
    direct, _ = judge(
        make_learner(backbone),
        images,
        y,
        arguments.direct_episodes,
        batch_size=4,
    )
    direct *= arguments.episodes / arguments.direct_episodes
    facts = {
        **vars(arguments),
        "embed_seconds": round(embed_seconds, 3),
        "cached_seconds": round(cached, 3),
        "direct_seconds": round(direct, 3),
        "faster": round(direct / (embed_seconds + cached), 1),
        "accuracy": round(cached_logs["accuracy"], 4),
        "cores": len(os.sched_getaffinity(0)),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
