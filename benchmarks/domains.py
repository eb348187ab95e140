"""Eight domains: does learning to learn beat not adapting?

For each a learner is trained by `fit` on training tasks and judged on
held-out tasks (other classes, speakers, topics, tables, patients, users),
beside a floor that needs no training and a model that does not adapt.

    python benchmarks/domains.py --data DATA
    python benchmarks/domains.py --data DATA --only omniglot fsdd

`DATA` holds the folders omniglot, clinc150, fsdd, leaves100, uci_small,
grouped_regression and movielens_small; the docs of each kind of data say where
it is from. Classification is judged by accuracy, and its model that does not
adapt can only guess; its floor is the nearest class mean on raw inputs (texts:
tf-idf of all words). Regression is judged by root mean squared error in the
unit of the data; its floor is the mean of the support targets, and its model
that does not adapt is the same network trained by an ordinary `fit` on the rows
of all training tasks.
"""

import argparse
import json
import os
import pathlib
import time

import domain_data
import keras
import numpy as np

import kerasmeta as km

EPISODES = 600


def judge(predict, episodes, is_classes):
    """Return the value of every task: accuracy, or mean squared error."""
    values = []
    for x, query_y in episodes:
        predicted, y = np.asarray(predict(x)), np.asarray(query_y)
        if is_classes:
            right = predicted.argmax(axis=-1) == y
            values.append(right.mean(axis=1))
        else:
            error = np.square(predicted - y)
            values.append(error.reshape(len(y), -1).mean(axis=1))
    return np.concatenate(values)


def interval(values, is_classes, scale):
    """Return the mean and the 95 % half-width, in the unit of the table."""
    mean = values.mean()
    width = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    if is_classes:
        return 100 * float(mean), 100 * float(width)
    root = float(np.sqrt(mean))
    # By the delta method.
    return scale * root, scale * float(width) / (2 * root)


def support_mean(x):
    mean = np.mean(x["support_y"], axis=1, keepdims=True)
    queries = next(iter(keras.tree.flatten(x["query_x"]))).shape[1]
    return np.repeat(mean, queries, axis=1)


def nearest_class_mean(domain):
    backbone = domain.floor_backbone
    if backbone is None:
        shape = domain.test.element_spec[0]["query_x"].shape[2:]
        backbone = keras.Sequential(
            [keras.Input(tuple(shape)), keras.layers.Flatten()]
        )
    learner = km.learners.ProtoNet(backbone)
    return lambda x: learner(x)


def pooled_network(domain):
    """Train the network of a gradient learner without any episodes."""
    network = keras.models.clone_model(domain.learner.network)
    network.compile(keras.optimizers.Adam(2e-3), "mse")
    x, y = domain.rows
    network.fit(x, y, batch_size=128, epochs=domain.pooled_epochs, verbose=0)

    def predict(x):
        flat = keras.tree.map_structure(
            lambda t: np.reshape(t, (-1, *t.shape[2:])), x["query_x"]
        )
        targets = network.predict(flat, verbose=0, batch_size=4096)
        return targets.reshape(len(x["support_y"]), -1, 1)

    return predict


def measure(domain):
    """Train a domain's learner; return its row of the table."""
    is_classes = domain.is_classes
    if is_classes:
        floor = judge(nearest_class_mean(domain), domain.floor_test, True)
        still = np.array([1 / domain.ways] * 2)
    else:
        floor = judge(support_mean, domain.test, False)
        still = judge(pooled_network(domain), domain.test, False)
    untrained = judge(domain.learner.predict_on_batch, domain.test, is_classes)
    start = time.perf_counter()
    domain.learner.fit(
        domain.train, steps_per_epoch=domain.steps // 4, epochs=4, verbose=2
    )
    seconds = time.perf_counter() - start
    ours = judge(domain.learner.predict_on_batch, domain.test, is_classes)
    row = {"title": domain.title, "seconds": round(seconds)}
    for name, values in [
        ("floor", floor),
        ("still", still),
        ("untrained", untrained),
        ("ours", ours),
    ]:
        row[name] = interval(values, is_classes, domain.scale)
    print(json.dumps(row), flush=True)
    return row


def show(row, domain):
    def cell(name):
        mean, width = row[name]
        if domain.is_classes and name == "still":
            return f"{mean:.1f}"
        digits = 1 if domain.is_classes else domain.digits
        return f"{mean:.{digits}f} ± {width:.{digits}f}"

    unit = "accuracy, %" if domain.is_classes else f"RMSE, {domain.unit}"
    return (
        f"| {domain.title} | {domain.task} | {unit} | {cell('floor')} "
        f"| {cell('still')} | {cell('untrained')} | **{cell('ours')}** "
        f"| {domain.learner_name}, {row['seconds']} s |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--only", nargs="+", choices=domain_data.DOMAINS)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--steps", type=int, help="instead of each one's own")
    arguments = parser.parse_args()
    lines = []
    for name in arguments.only or domain_data.DOMAINS:
        keras.utils.set_random_seed(0)
        print(f"\n{name}", flush=True)
        domain = domain_data.DOMAINS[name](arguments.data, arguments.episodes)
        domain.steps = arguments.steps or domain.steps
        lines.append(show(measure(domain), domain))
    cores = len(os.sched_getaffinity(0))
    print(f"\n{arguments.episodes} held-out tasks each, {cores} cores")
    print(
        "| data | tasks | unit | floor | not adapting | adapted, untrained "
        "| adapted | learner, training |\n|---|---|---|---|---|---|---|---|"
    )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
