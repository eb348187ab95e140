"""Seconds and bytes a training step, with one worker and with two.

MAML, second order, one inner step, 10 + 10 points, Adam; each worker has the
same number of tasks a step, so that two do twice the work. Prints a row for
each model size and number of workers:

    python benchmarks/distribution.py
    python benchmarks/distribution.py --units 40 1000 --tasks 8 --steps 200

The workers are processes of this machine that share its cores and talk over
the loopback address; bytes are those that its interface counted, less what it
counted in a time without training.
"""

import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import numpy as np


def loopback_bytes():
    """Return how many bytes the loopback interface has carried."""
    for line in pathlib.Path("/proc/net/dev").read_text().splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    raise OSError("There is no loopback interface.")


def train(units, tasks, steps):
    """Be one of the workers, and return what was measured."""
    import keras
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    import kerasmeta as km

    keras.utils.set_random_seed(0)
    with strategy.scope():
        network = km.backbones.mlp((1,), 1, units=(units, units))
        learner = km.learners.MAML(network, 0.01)
        learner.compile(keras.optimizers.Adam(1e-4), loss="mse")
    workers = strategy.num_replicas_in_sync
    episodes = km.tasks.Sinusoid(10).episodes(tasks * workers)
    watch = make_watch(keras)
    learner.fit(
        episodes, steps_per_epoch=steps + 20, callbacks=[watch], verbose=0
    )
    # What else uses the interface, in as much time.
    time.sleep(0.5)
    before, start = loopback_bytes(), time.perf_counter()
    time.sleep(2)
    idle = (loopback_bytes() - before) / (time.perf_counter() - start)
    seconds = np.diff(watch.times[20:])
    span = watch.times[-1] - watch.times[20]
    carried = watch.bytes[-1] - watch.bytes[20] - idle * span
    return {
        "weights": sum(
            int(np.prod(w.shape)) for w in learner.trainable_weights
        ),
        "workers": workers,
        "milliseconds": 1e3 * float(np.median(seconds)),
        "kilobytes": carried / (len(watch.times) - 21) / 1e3,
    }


def make_watch(keras):
    class Watch(keras.callbacks.Callback):
        """Notes time and traffic after each step."""

        def __init__(self):
            super().__init__()
            self.times, self.bytes = [], []

        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])
            self.times.append(time.perf_counter())
            self.bytes.append(loopback_bytes())

    return Watch()


def measure(workers, units, arguments):
    """Run workers, and return what the first of them measured."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    options = [units, arguments.tasks, arguments.steps]
    processes = []
    for index in range(workers):
        task = {"type": "worker", "index": index}
        config = {"cluster": {"worker": addresses}, "task": task}
        processes.append(
            subprocess.Popen(
                [sys.executable, __file__, "--be", *map(str, options)],
                env={**os.environ, "TF_CONFIG": json.dumps(config)},
                stdout=subprocess.PIPE,
                encoding="utf-8",
            )
        )
    try:
        outputs = [p.communicate(timeout=arguments.timeout) for p in processes]
    finally:
        for process in processes:
            process.kill()
    return json.loads(outputs[0][0].splitlines()[-1])


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", type=int, nargs="+", default=[40, 1000])
    parser.add_argument("--tasks", type=int, default=8, help="of a worker")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--timeout", type=float, default=900, help="seconds")
    parser.add_argument("--be", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.be:
        print(json.dumps(train(*arguments.be)))
        return
    print("| weights | workers | ms a step | kB a step | kB by the formula |")
    print("|---|---|---|---|---|")
    for units in arguments.units:
        for workers in (1, 2):
            row = measure(workers, units, arguments)
            # All workers together send 2 (n - 1) times the gradient.
            formula = 2 * (workers - 1) * 4 * row["weights"] / 1e3
            print(
                f"| {row['weights']:,} | {workers} "
                f"| {row['milliseconds']:.1f} | {row['kilobytes']:,.0f} "
                f"| {formula:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
