"""Seconds a training step of embedding learners on fixed workloads.

Prints a line of JSON: median seconds a step, episodes a second, the seconds of
the first call, the time to trace and compile (that of the first call less a
median one), and peak memory of the process beyond that before training.

    python benchmarks/embedding_speed.py W4a
    python benchmarks/embedding_speed.py W4b --learner r2d2
    python benchmarks/embedding_speed.py W4a --tasks 8

Conv4-64 on 28x28x1, one episode a step. W4a: 5-way 5-shot, 75 queries. W4b:
60-way 5-shot, 300 queries. Random data, Adam 1e-3.
"""

import argparse
import json
import os

import keras
import numpy as np
import tensorflow as tf
from embedding_learners import TRAINED
from embedding_learners import compile_learner
from gradient_speed import measure
from gradient_speed import megabytes

SHAPE = (28, 28, 1)
WORKLOADS = {
    "W4a": dict(ways=5, shots=5, queries=15),
    "W4b": dict(ways=60, shots=5, queries=5),
}


def make_episodes(work, tasks):
    """Return an endless dataset of a few random meta-batches."""
    generator = np.random.default_rng(0)

    def draw(examples):
        y = np.repeat(np.arange(work["ways"], dtype="int32"), examples)
        x = generator.normal(size=(4, tasks, len(y), *SHAPE)).astype("float32")
        return x, np.broadcast_to(y, x.shape[:3])

    support_x, support_y = draw(work["shots"])
    query_x, query_y = draw(work["queries"])
    x = {"support_x": support_x, "support_y": support_y, "query_x": query_x}
    data = tf.data.Dataset.from_tensor_slices((x, query_y))
    return data.repeat().prefetch(4)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--learner", choices=TRAINED, default="proto_net")
    parser.add_argument("--tasks", type=int, default=1)
    parser.add_argument("--budget", type=float, default=10.0)
    parser.add_argument("--least-calls", type=int, default=8)
    arguments = parser.parse_args()

    keras.utils.set_random_seed(0)
    episodes = make_episodes(WORKLOADS[arguments.workload], arguments.tasks)
    learner = compile_learner(TRAINED[arguments.learner](), arguments.learner)
    before = megabytes()
    times = measure(learner, episodes, arguments)
    rate = arguments.tasks / times["seconds_per_step"]
    facts = {
        **vars(arguments),
        **times,
        "episodes_per_second": round(rate, 2),
        "peak_memory_mb": round(megabytes() - before),
        "cores": len(os.sched_getaffinity(0)),
        "tensorflow": tf.__version__,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
