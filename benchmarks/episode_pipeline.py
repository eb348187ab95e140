"""How fast episodes come out of arrays in memory, and what waits for them.

1,200 classes of 20 images, 28x28 uint8; 5-way 1-shot 15-query episodes in
batches of 4, float32 out. Prints one JSON line:

    python benchmarks/episode_pipeline.py
    python benchmarks/episode_pipeline.py --classes 10000   # 200,000 images

`numpy_gather` is what one vectorised NumPy gather of the same examples costs,
measured in turn with the pipeline; `waiting` is the share of a training step
that `fit` spends waiting for data.
"""

import argparse
import json
import os
import resource
import statistics
import time

import keras
import numpy as np
import tensorflow as tf

import kerasmeta as km

SPEC = km.episodes.EpisodeSpec(ways=5, shots=1, queries=15)
BATCH = 4


def make_data(classes):
    images = np.random.default_rng(0).integers(
        0, 256, size=(classes * 20, 28, 28, 1), dtype="uint8"
    )
    return images, np.repeat(np.arange(classes), 20)


def pipeline_rate(dataset, seconds):
    """Return episodes a second, delivered to Python."""
    batches = iter(dataset)
    for _ in range(200):
        next(batches)
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(50):
            next(batches)
        count += 50
    return BATCH * count / (time.perf_counter() - start)


def numpy_rate(images, seconds):
    """Return episodes a second of nothing but one gather a batch."""
    ids = np.random.default_rng(1).integers(
        0, len(images), size=(64, BATCH, SPEC.support_size + SPEC.query_size)
    )
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for row in ids:
            images[row].astype("float32")
        count += len(ids)
    return BATCH * count / (time.perf_counter() - start)


def waiting_share(learner, dataset, steps=60):
    """Return the share of `fit`'s time in which it waits for a batch."""
    waited = []

    def watch():
        batches = iter(dataset)
        while True:
            start = time.perf_counter()
            batch = next(batches)
            waited.append(time.perf_counter() - start)
            yield batch

    step = tf.function(learner.train_step)
    batches = watch()
    for _ in range(5):
        step(next(batches))
    waited.clear()
    start = time.perf_counter()
    for _ in range(steps):
        step(next(batches))["loss"].numpy()
    return sum(waited) / (time.perf_counter() - start)


def make_learners():
    network = km.backbones.conv4((28, 28, 1), num_classes=5)
    learners = {
        "ProtoNet": km.learners.ProtoNet(km.backbones.conv4((28, 28, 1))),
        "MAML": km.learners.MAML(network, 0.4, inner_steps=1),
    }
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for learner in learners.values():
        learner.compile("adam", loss, metrics=["accuracy"])
    return learners


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--classes", type=int, default=1200)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    images, labels = make_data(arguments.classes)
    next(iter(tf.data.Dataset.range(1)))  # TensorFlow itself.
    before = resident_bytes()
    dataset = km.episodes.episodes_from_arrays(images, labels, SPEC, BATCH)
    ours, gather = [], []
    for _ in range(arguments.repeats):
        ours.append(pipeline_rate(dataset, arguments.seconds))
        gather.append(numpy_rate(images, arguments.seconds))
    added = resident_bytes() - before
    waiting = {
        name: round(waiting_share(learner, dataset), 4)
        for name, learner in make_learners().items()
    }
    report = {
        "classes": arguments.classes,
        "images_mb": round(images.nbytes / 2**20, 1),
        "episodes_a_second": round(statistics.median(ours)),
        "numpy_gather": round(statistics.median(gather)),
        "ratio": round(statistics.median(np.divide(ours, gather)), 2),
        "memory_added_mb": round(added / 2**20, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "waiting": waiting,
        "cores": len(os.sched_getaffinity(0)),
    }
    print(json.dumps(report))


def resident_bytes():
    """Return the memory that this process occupies, on Linux."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
