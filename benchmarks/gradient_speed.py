"""Seconds a training step of gradient learners on fixed workloads.

Prints a line of JSON: median seconds a step, steps a second, the seconds of the
first call, the time to trace and compile (that of the first call less a median
one), peak memory of the process beyond that before training, and the estimate
of `learner.estimate_memory`.

    python benchmarks/gradient_speed.py W1
    python benchmarks/gradient_speed.py W3s5 --jit --steps-per-execution 50
    python benchmarks/gradient_speed.py W5 --inner-steps 20 --rematerialize
    python benchmarks/gradient_speed.py W5 --inner-steps 20 --learner reptile

With `--size 16` images need next to nothing, and the memory is that of the
program itself: of traced graphs, and of what TensorFlow keeps of them.

Compile time that does not grow with the inner steps, to compare with
`--inner-steps 2` and without `--loop`:

    python benchmarks/gradient_speed.py W3s1 --jit --inner-steps 20 --loop

W1: second-order MAML, Conv4-64 on 28x28x1, 5-way 1-shot, 75 queries, 5 inner
steps, 4 tasks. W2: the same, first order. W3s1, W3s5: 1-40-40-1, 10 + 10
points, 1 and 5 inner steps, 25 tasks. W5: Conv4-32 on 84x84x3, 5-way 5-shot, 75
queries, 5 inner steps, 2 tasks. Random data, Adam 1e-3 outside.
"""

import argparse
import functools
import json
import os
import resource
import time

import keras
import numpy as np
import tensorflow as tf

import kerasmeta as km

OMNIGLOT = dict(
    shape=(28, 28, 1), filters=64, shots=1, tasks=4, steps=5, rate=0.4
)
CURVES = dict(shape=(1,), shots=10, tasks=25, rate=0.01)
WORKLOADS = {
    "W1": OMNIGLOT,
    "W2": {**OMNIGLOT, "first_order": True},
    "W3s1": {**CURVES, "steps": 1},
    "W3s5": {**CURVES, "steps": 5},
    "W5": dict(
        shape=(84, 84, 3), filters=32, shots=5, tasks=2, steps=5, rate=0.01
    ),
}
LEARNERS = {
    "maml": km.learners.MAML,
    "fomaml": functools.partial(km.learners.MAML, first_order=True),
    "anil": km.learners.ANIL,
    "boil": km.learners.BOIL,
    "imaml": km.learners.IMAML,
    "reptile": km.learners.Reptile,
}


def make_episodes(work):
    """Return an endless dataset of a few random meta-batches."""
    generator = np.random.default_rng(0)
    is_curve = len(work["shape"]) == 1
    ways, queries = (1, 10) if is_curve else (5, 15)

    def draw(shots):
        size = (work["tasks"], ways * shots)
        x = generator.normal(size=(4, *size, *work["shape"]))
        y = np.repeat(np.arange(ways), shots)
        y = np.broadcast_to(y, (4, *size)).astype("int32")
        return x.astype("float32"), np.sin(x).astype("f4") if is_curve else y

    support_x, support_y = draw(work["shots"])
    query_x, query_y = draw(queries)
    x = {"support_x": support_x, "support_y": support_y, "query_x": query_x}
    return (
        tf.data.Dataset.from_tensor_slices((x, query_y)).repeat().prefetch(50)
    )


def make_learner(work, arguments):
    """Return the compiled learner of a workload."""
    if len(work["shape"]) == 1:
        network, loss = km.backbones.mlp((1,), 1), "mse"
    else:
        network = km.backbones.conv4(
            work["shape"], num_classes=5, filters=work["filters"]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    order = {"first_order": True} if work.get("first_order") else {}
    learner = LEARNERS[arguments.learner](
        network,
        inner_learning_rate=work["rate"],
        inner_steps=arguments.inner_steps or work["steps"],
        rematerialize=arguments.rematerialize,
        unroll=not arguments.loop,
        **order,
    )
    learner.compile(
        keras.optimizers.Adam(1e-3),
        loss,
        jit_compile=arguments.jit,
        steps_per_execution=arguments.steps_per_execution,
    )
    return learner


def megabytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(learner, episodes, arguments, steps_per_execution=1):
    """Return median seconds a step, and what was needed before, as facts."""
    learner.make_train_function()
    train = learner.train_function
    batches = iter(episodes)
    start = time.perf_counter()
    float(train(batches)["loss"])
    first = time.perf_counter() - start
    seconds = []
    began = time.perf_counter()
    while (
        len(seconds) < arguments.least_calls
        or time.perf_counter() - began < arguments.budget
    ):
        start = time.perf_counter()
        float(train(batches)["loss"])
        seconds.append(time.perf_counter() - start)
    median = float(np.median(seconds[2:] or seconds))
    return {
        "seconds_per_step": round(median / steps_per_execution, 6),
        "first_call_seconds": round(first, 2),
        "compile_seconds": round(first - median, 2),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--learner", choices=LEARNERS, default="maml")
    parser.add_argument("--inner-steps", type=int)
    parser.add_argument("--size", type=int, help="of the images")
    parser.add_argument("--rematerialize", action="store_true")
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--jit", action="store_true")
    parser.add_argument("--steps-per-execution", type=int, default=1)
    parser.add_argument("--budget", type=float, default=10.0)
    parser.add_argument("--least-calls", type=int, default=8)
    arguments = parser.parse_args()
    work = WORKLOADS[arguments.workload]
    if arguments.size:
        size, channels = arguments.size, work["shape"][-1]
        work = {**work, "shape": (size, size, channels)}

    episodes = make_episodes(work)
    learner = make_learner(work, arguments)
    estimate = learner.estimate_memory(episodes)
    before = megabytes()
    times = measure(learner, episodes, arguments, arguments.steps_per_execution)
    facts = {
        **vars(arguments),
        **times,
        "steps_per_second": round(1 / times["seconds_per_step"], 2),
        "peak_memory_mb": round(megabytes() - before),
        "estimated_memory_mb": round(estimate / 2**20),
        "cores": len(os.sched_getaffinity(0)),
        "tensorflow": tf.__version__,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
