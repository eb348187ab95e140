"""Embedding learners on texts and spoken digits, and on what is out of scope.

ProtoNet and R2D2 train on episodes; SimpleShot's backbone, the same network,
trains by an ordinary `fit` on all training classes at once. Each for the same
number of minutes, compiling included. 600 fixed 5-way tasks of topics and
speakers never seen in training, beside a floor that needs no training: the
nearest class mean of log-mel energies, or of tf-idf vectors of words, weighed
by all texts, those of the test included, or by the training texts. Learners of
texts get counts of words and of their pieces; untrained, their network weighs
those by how rare they are in the training texts.

Then sentences of CLINC150 that belong to none of its intents are mixed into
each task, as many as there are other queries: the AUROC of telling them apart
by the highest probability. 95 % intervals over tasks; prints Markdown tables.

    python benchmarks/text_and_speech.py --data DATA --minutes 3

`DATA` holds the folders clinc150 and fsdd.
"""

import argparse
import dataclasses
import os
import pathlib

import domain_data
import keras
import numpy as np
import tensorflow as tf
from embedding_learners import compile_learner
from gradient_learners import TimeBudget

import kerasmeta as km

WAYS, QUERIES = 5, 15
SHOTS = (1, 5)


@dataclasses.dataclass
class Problem:
    """Examples of training and test classes, and the network for them."""

    title: str
    build: callable
    rate: float
    train: tuple
    test: tuple
    floors: dict
    spec: km.episodes.EpisodeSpec
    augment: callable = None
    out_of_scope: tf.Tensor | None = None


def clinc150(folder):
    texts, intents, test, out_of_scope = domain_data.clinc150_texts(folder)
    tf_idf = keras.layers.TextVectorization(output_mode="tf_idf")
    tf_idf.adapt(texts)
    words = keras.layers.TextVectorization(output_mode="count")
    words.adapt(texts)
    rare = domain_data.inverse_frequencies(words(texts[~test]))
    x = domain_data.n_grams(texts).numpy()
    weights = domain_data.inverse_frequencies(x[~test])
    _, y = np.unique(intents, return_inverse=True)
    return Problem(
        "CLINC150, unseen topics",
        lambda: domain_data.text_backbone(weights),
        rate=5e-3,
        train=(x[~test], y[~test]),
        test=(x[test], y[test]),
        floors={
            "floor": unit(tf_idf(texts[test])),
            "floor, weights of training texts": unit(
                rare * words(texts[test]).numpy()
            ),
        },
        spec=km.episodes.EpisodeSpec(20, 1, 5),
        out_of_scope=tf.cast(domain_data.n_grams(out_of_scope), "float32"),
    )


def unit(vectors):
    vectors = tf.cast(vectors, "float32")
    return tf.math.l2_normalize(vectors, axis=-1).numpy()


def fsdd(folder):
    waves, y, test = domain_data.fsdd_waves(folder)
    waves = keras.utils.pad_sequences(
        waves, 8320, "float32", padding="post", truncating="post"
    )
    x = domain_data.log_mel()(waves / 2**15).numpy()
    return Problem(
        "Spoken digits, unseen speakers",
        lambda: km.backbones.conv4(x.shape[1:], filters=32),
        rate=2e-3,
        train=(x[~test], y[~test]),
        test=(x[test], y[test]),
        floors={"floor": x[test].reshape(test.sum(), -1)},
        spec=km.episodes.EpisodeSpec(10, 1, 5),
        augment=domain_data.heard_elsewhere,
    )


PROBLEMS = {"clinc150": clinc150, "fsdd": fsdd}


def train(model, data, problem, arguments):
    budget = TimeBudget(60 * arguments.minutes, problem.rate)
    compile_learner(model, rate=problem.rate)
    model.fit(data, steps_per_epoch=10**7, callbacks=[budget], verbose=0)
    return model


def episodic(build):
    """Return a function that trains a learner on episodes."""

    def train_learner(problem, arguments):
        episodes = km.episodes.episodes_from_arrays(
            *problem.train,
            problem.spec,
            batch_size=2,
            augment_support=problem.augment,
            augment_query=problem.augment,
        )
        return train(build(problem.build()), episodes, problem, arguments)

    return train_learner


def simple_shot(problem, arguments):
    """Train a classifier of all training classes, and keep its backbone."""
    x, y = problem.train
    classes, y = np.unique(y, return_inverse=True)
    data = tf.data.Dataset.from_tensor_slices((x, y)).repeat()
    data = data.shuffle(len(x), seed=0)
    if problem.augment:
        seeds = tf.data.Dataset.random(0, rerandomize_each_iteration=True)
        data = tf.data.Dataset.zip(data, seeds.batch(2))
        data = data.map(lambda xy, seed: (problem.augment(xy[0], seed), xy[1]))
    backbone = problem.build()
    classifier = keras.Sequential([backbone, keras.layers.Dense(len(classes))])
    train(classifier, data.batch(128), problem, arguments)
    mean = km.evaluation.embed(backbone, x).mean(axis=0)
    learner = km.learners.SimpleShot(backbone, base_mean=mean)
    return compile_learner(learner, rate=problem.rate)


def untrained(problem, _):
    """Return the network as it begins: what its features alone are worth."""
    learner = km.learners.ProtoNet(problem.build())
    return compile_learner(learner, rate=problem.rate)


LEARNERS = {
    "ProtoNet, untrained": untrained,
    "ProtoNet": episodic(km.learners.ProtoNet),
    "R2D2": episodic(km.learners.R2D2),
    "SimpleShot": simple_shot,
}


def test_episodes(x, y, shots, arguments):
    return km.episodes.episodes_from_arrays(
        x,
        y,
        km.episodes.EpisodeSpec(WAYS, shots, QUERIES),
        batch_size=4,
        seed=1,
        num_episodes=arguments.episodes,
    )


def cell(logs, name="accuracy"):
    return f"{100 * logs[name]:.1f} ± {100 * logs[name + '_ci95']:.1f}"


def judge(learner, x, y, arguments):
    """Return a cell of accuracy for each number of shots."""
    return [
        cell(
            learner.evaluate(
                test_episodes(x, y, shots, arguments),
                return_dict=True,
                verbose=0,
            )
        )
        for shots in SHOTS
    ]


def judge_floor(features, problem, arguments):
    inputs = keras.Input(features.shape[1:])
    learner = km.learners.ProtoNet(keras.Model(inputs, inputs))
    compile_learner(learner, rate=problem.rate)
    return judge(learner, features, problem.test[1], arguments)


def judge_out_of_scope(learner, problem, arguments):
    """Return a cell of AUROC for each number of shots."""
    cells = []
    for shots in SHOTS:
        data = test_episodes(*problem.test, shots, arguments)
        data = with_strangers(data, problem.out_of_scope)
        logs = km.evaluation.evaluate_open_set(learner, data)
        cells.append(cell(logs, "auroc"))
    return cells


def with_strangers(data, strangers):
    """Mix as many queries of none of the classes into each task."""
    queries = WAYS * QUERIES
    others = tf.data.Dataset.from_tensor_slices(strangers)
    others = others.shuffle(len(strangers), seed=1).repeat()
    others = others.batch(queries).batch(4)

    def mix(episode, others):
        x, query_y = episode
        others = others[: tf.shape(query_y)[0]]
        query_x = tf.concat([x["query_x"], others], axis=1)
        labels = tf.concat([query_y, -tf.ones_like(query_y)], axis=1)
        return {**x, "query_x": query_x}, labels

    return tf.data.Dataset.zip(data, others).map(mix)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--only", nargs="+", choices=PROBLEMS)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--episodes", type=int, default=600)
    arguments = parser.parse_args()
    print(
        f"{arguments.minutes:g} minutes each on "
        f"{len(os.sched_getaffinity(0))} cores, TensorFlow {tf.__version__}, "
        f"{arguments.episodes} tasks\n"
    )
    shots = [f"{WAYS}-way {shots}-shot" for shots in SHOTS]
    print(f"| data | learner | {' | '.join(shots)} | AUROC of the same |")
    print("|---|---|---|---|---|")
    for name in arguments.only or PROBLEMS:
        problem = PROBLEMS[name](arguments.data)
        for floor, features in problem.floors.items():
            cells = judge_floor(features, problem, arguments)
            print(f"| {problem.title} | {floor} | {' | '.join(cells)} | |")
        for learner_name, build in LEARNERS.items():
            keras.utils.set_random_seed(0)
            learner = build(problem, arguments)
            cells = judge(learner, *problem.test, arguments)
            aurocs = ""
            if problem.out_of_scope is not None:
                aurocs = judge_out_of_scope(learner, problem, arguments)
                aurocs = ", ".join(aurocs)
            row = [problem.title, learner_name, *cells, aurocs]
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
