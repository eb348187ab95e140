"""Few-shot regression of sine waves, section 5.1 of the MAML paper.

Trains MAML with one inner step on random waves, and prints the error on 600
fixed unseen waves after 0 to 10 gradient steps on their support points, with
95 % intervals over tasks, for the network before and after training.

    python benchmarks/sinusoid.py
    python benchmarks/sinusoid.py --shots 5
"""

import argparse
import json
import math
import os
import time

import keras
import numpy as np
import tensorflow as tf

import kerasmeta as km

META_BATCH = 25
INNER_LEARNING_RATE = 0.01
TEST_SEED = 1
TEST_QUERIES = 100


def make_learner(network, inner_steps, **kwargs):
    """Return a compiled learner that takes some steps from the network."""
    learner = km.learners.MAML(
        network,
        inner_learning_rate=INNER_LEARNING_RATE,
        inner_steps=inner_steps,
    )
    learner.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss="mse",
        metrics=["mse"],
        **kwargs,
    )
    return learner


def error_without_steps(network, episodes):
    """Return the error of the network as it is, and its interval."""
    errors = []
    for x, query_y in episodes:
        query_x = x["query_x"].numpy()
        predicted = network(query_x.reshape(-1, 1)).numpy()
        errors.extend(
            np.mean((predicted.reshape(query_x.shape) - query_y) ** 2, (1, 2))
        )
    spread = np.std(errors, ddof=1) / math.sqrt(len(errors))
    return float(np.mean(errors)), float(1.96 * spread)


def errors_by_steps(network, learners, episodes):
    """Return the error and its interval after 0, 1, ... gradient steps."""
    errors = [error_without_steps(network, episodes)]
    for learner in learners:
        logs = learner.evaluate(episodes, return_dict=True, verbose=0)
        errors.append((logs["mse"], logs["mse_ci95"]))
    return errors


def train(network, arguments):
    """Train the network, and return how many minutes it took."""
    epochs = next(n for n in (10, 5, 4, 2, 1) if arguments.steps % n == 0)
    steps_per_epoch = arguments.steps // epochs
    learner = make_learner(
        network, 1, steps_per_execution=math.gcd(50, steps_per_epoch)
    )
    sinusoid = km.tasks.Sinusoid(shots=arguments.shots, queries=arguments.shots)
    episodes = sinusoid.episodes(META_BATCH, seed=arguments.seed)
    start = time.perf_counter()
    learner.fit(
        episodes, epochs=epochs, steps_per_epoch=steps_per_epoch, verbose=2
    )
    return (time.perf_counter() - start) / 60


def report(before, after, minutes, arguments):
    """Print a Markdown table, and the same as a line of JSON."""
    cores = len(os.sched_getaffinity(0))
    print(
        f"\n{arguments.shots}-shot sinusoids: {arguments.steps} steps in "
        f"{minutes:.1f} minutes on {cores} cores, TensorFlow {tf.__version__}, "
        f"{arguments.episodes} episodes\n"
    )
    print("| gradient steps | untrained, MSE | trained, MSE |")
    print("|---|---|---|")
    for steps, ((a, da), (b, db)) in enumerate(zip(before, after)):
        print(f"| {steps} | {a:.3f} ± {da:.3f} | {b:.3f} ± {db:.3f} |")
    facts = {
        "shots": arguments.shots,
        "steps": arguments.steps,
        "seed": arguments.seed,
        "episodes": arguments.episodes,
        "minutes": round(minutes, 2),
        "cores": cores,
        "tensorflow": tf.__version__,
        "untrained": before,
        "trained": after,
    }
    print(json.dumps(facts))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--gradient-steps", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)

    network = km.backbones.mlp((1,), 1)
    test = km.tasks.Sinusoid(arguments.shots, TEST_QUERIES).episodes(
        META_BATCH, seed=TEST_SEED, num_episodes=arguments.episodes
    )
    learners = [
        make_learner(network, steps)
        for steps in range(1, arguments.gradient_steps + 1)
    ]
    before = errors_by_steps(network, learners, test)
    minutes = train(network, arguments)
    after = errors_by_steps(network, learners, test)
    report(before, after, minutes, arguments)


if __name__ == "__main__":
    main()
