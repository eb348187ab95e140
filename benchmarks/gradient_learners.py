"""All gradient learners in the same time: Omniglot and sinusoids.

Each learner trains for the same number of minutes, tracing and compiling
included, and is evaluated on 600 fixed tasks before and after, with 95 %
intervals over tasks; sinusoids once more with 10 inner steps. Prints a row of a
Markdown table for each.

    python benchmarks/gradient_learners.py omniglot --data FILE
    python benchmarks/gradient_learners.py sinusoid --minutes 2
    python benchmarks/gradient_learners.py omniglot --data FILE --learners maml

Omniglot: 5-way 1-shot of alphabets never seen in training, as in
`benchmarks/omniglot.py`, with strided Conv4-64. Sinusoid: 10 points of a wave,
section 5.1 of the MAML paper, network 1-40-40-1.
"""

import argparse
import math
import os
import time

import keras
import numpy as np
import omniglot
import tensorflow as tf

import kerasmeta as km

IMAGES = (28, 28, 1)
WAYS = 5
learn = km.learners


def conv4(num_classes=WAYS):
    return km.backbones.conv4(
        IMAGES, num_classes=num_classes, downsampling="stride"
    )


def conditioned_conv4(context_size=100):
    """Return Conv4 whose last two blocks a context scales and shifts."""
    image, context = keras.Input(IMAGES), keras.Input((context_size,))
    x = image
    for block in range(4):
        x = keras.layers.Conv2D(64, 3, 2, padding="same")(x)
        x = keras.layers.BatchNormalization()(x)
        if block >= 2:
            x = km.layers.FiLM()([x, context])
        x = keras.layers.ReLU()(x)
    # Not averaged: a context can only rescale features, so there are many.
    x = keras.layers.Flatten()(x)
    return keras.Model([image, context], keras.layers.Dense(WAYS)(x))


def conditioned_mlp(context_size=5):
    """Return the network of CAVIA: the context beside the input."""
    x, context = keras.Input((1,)), keras.Input((context_size,))
    hidden = keras.layers.Concatenate()([x, context])
    for _ in range(2):
        hidden = keras.layers.Dense(40, activation="relu")(hidden)
    return keras.Model([x, context], keras.layers.Dense(1)(hidden))


# Name -> builder; where nothing else is said rates are those of the papers, and
# there are three inner steps, so that a step costs about the same.
OMNIGLOT = {
    "maml": lambda: learn.MAML(conv4(), 0.4, 3),
    "fomaml": lambda: learn.MAML(conv4(), 0.4, 3, first_order=True),
    "anil": lambda: learn.ANIL(conv4(), inner_learning_rate=0.4, inner_steps=3),
    "boil": lambda: learn.BOIL(conv4(), inner_learning_rate=0.4, inner_steps=3),
    "meta_sgd": lambda: learn.MetaSGD(conv4(), 0.1, 3),
    "meta_curvature": lambda: learn.MetaCurvature(conv4(), 0.1, 3),
    "maml_plus_plus": lambda: learn.MAMLPlusPlus(
        conv4(), 0.1, 3, multi_step_loss_steps=150
    ),
    "alfa": lambda: learn.ALFA(conv4(), 0.1, 3),
    "lstm_meta_learner": lambda: learn.LSTMMetaLearner(
        conv4(), inner_steps=3, first_order=True
    ),
    # The paper's FiLM has no "1 +" that holds the features where they are.
    "cavia": lambda: learn.CAVIA(conditioned_conv4(), 10.0, inner_steps=2),
    "proto_maml": lambda: learn.ProtoMAML(
        conv4(None), inner_learning_rate=0.1, inner_steps=3
    ),
    "leo": lambda: learn.LEO(conv4(None), WAYS),
    # Damped as in the authors' code: five steps are far from converged.
    "imaml": lambda: learn.IMAML(
        conv4(),
        inner_learning_rate=0.4,
        inner_steps=5,
        regularization=0.5,
        damping=20.0,
        cg_steps=2,
    ),
    "reptile": lambda: learn.Reptile(
        conv4(),
        inner_learning_rate=0.1,
        inner_batch_size=10,
        inner_steps=5,
        test_inner_steps=20,
        unroll=False,
    ),
    "abml": lambda: learn.ABML(
        conv4(), 0.1, 3, samples=2, from_logits=True, kl_weight=1e-4
    ),
}
SINUSOID = {
    "maml": lambda: learn.MAML(curve()),
    "fomaml": lambda: learn.MAML(curve(), first_order=True),
    "anil": lambda: learn.ANIL(curve()),
    "boil": lambda: learn.BOIL(curve()),
    "meta_sgd": lambda: learn.MetaSGD(curve()),
    "meta_curvature": lambda: learn.MetaCurvature(curve()),
    "maml_plus_plus": lambda: learn.MAMLPlusPlus(
        curve(), inner_steps=1, test_inner_steps=1
    ),
    "alfa": lambda: learn.ALFA(curve()),
    "lstm_meta_learner": lambda: learn.LSTMMetaLearner(
        curve(), first_order=True
    ),
    "cavia": lambda: learn.CAVIA(conditioned_mlp()),
    "imaml": lambda: learn.IMAML(
        curve(),
        inner_learning_rate=0.01,
        inner_steps=30,
        regularization=10.0,
        unroll=False,
    ),
    "reptile": lambda: learn.Reptile(
        curve(), inner_learning_rate=0.02, inner_batch_size=10, inner_steps=5
    ),
    "abml": lambda: learn.ABML(curve(), samples=2, kl_weight=1e-3),
}


def curve():
    return km.backbones.mlp((1,), 1)


class TimeBudget(keras.callbacks.Callback):
    """Ends training after some seconds, with a cosine decay of the rate.

    Seconds are processor time over the number of cores: what a machine with
    nothing else to do needs at least, whatever else this one does.
    """

    def __init__(self, seconds, rate):
        super().__init__()
        self.seconds, self.rate, self.steps = seconds, rate, 0
        self.start = time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        self.steps = batch + 1
        cores = len(os.sched_getaffinity(0))
        spent = (time.process_time() - self.start) / cores
        done = min(spent / self.seconds, 1.0)
        decay = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))
        self.model.optimizer.learning_rate.assign(self.rate * decay)
        self.model.stop_training = done >= 1.0


def omniglot_task(name, arguments):
    """Return a compiled learner, its rate, training and test episodes."""
    learner = OMNIGLOT[name]()
    rate = 2e-3
    if name == "reptile":
        # The paper's outer step: all of the way there at first, then less.
        spec, rate = km.episodes.EpisodeSpec(WAYS, 10, 1), 1.0
    else:
        spec = km.episodes.EpisodeSpec(WAYS, 1, 5)
    train, test = omniglot.load(arguments.data)
    learner.compile(
        optimizer_for(name, rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    build = km.episodes.episodes_from_arrays
    return (
        learner,
        rate,
        build(*omniglot.with_rotations(*train), spec, 4, seed=0),
        build(
            *test,
            km.episodes.EpisodeSpec(WAYS, 1, 15),
            4,
            seed=1,
            num_episodes=arguments.episodes,
        ),
    )


def sinusoid_task(name, arguments):
    """Return a compiled learner, its rate, training and test episodes."""
    learner = SINUSOID[name]()
    rate = 0.5 if name == "reptile" else 1e-3
    learner.compile(
        optimizer_for(name, rate),
        loss="mse",
        metrics=["mse"],
        steps_per_execution=10,
    )
    train = km.tasks.Sinusoid(shots=10, queries=10).episodes(25, seed=0)
    test = km.tasks.Sinusoid(10, 100).episodes(
        25, seed=1, num_episodes=arguments.episodes
    )
    return learner, rate, train, test


def optimizer_for(name, rate):
    is_reptile = name == "reptile"
    return (keras.optimizers.SGD if is_reptile else keras.optimizers.Adam)(rate)


def judge(learner, test, metric):
    logs = learner.evaluate(test, return_dict=True, verbose=0)
    scale = 100 if metric == "accuracy" else 1
    digits = 1 if metric == "accuracy" else 3
    value, interval = logs[metric] * scale, logs[f"{metric}_ci95"] * scale
    return f"{value:.{digits}f} ± {interval:.{digits}f}"


def run(name, make_task, metric, arguments):
    """Train and judge one learner, and return its row of the table."""
    keras.utils.set_random_seed(arguments.seed)
    learner, rate, train, test = make_task(name, arguments)
    before = judge(learner, test, metric)
    budget = TimeBudget(60 * arguments.minutes, rate)
    learner.fit(train, steps_per_epoch=10**7, callbacks=[budget], verbose=0)
    results = [before, f"**{judge(learner, test, metric)}**"]
    if metric == "mse":
        learner.test_inner_steps = 10
        learner.make_test_function(force=True)
        results.append(judge(learner, test, metric))
    return f"| {name} | {' | '.join(results)} | {budget.steps:,} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tasks", choices=["omniglot", "sinusoid"])
    parser.add_argument("--data")
    parser.add_argument("--learners", nargs="*")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    is_omniglot = arguments.tasks == "omniglot"
    table = OMNIGLOT if is_omniglot else SINUSOID
    metric = "accuracy" if is_omniglot else "mse"
    make_task = omniglot_task if is_omniglot else sinusoid_task

    print(
        f"{arguments.tasks}: {arguments.minutes:g} minutes each on "
        f"{len(os.sched_getaffinity(0))} cores, TensorFlow {tf.__version__}, "
        f"{arguments.episodes} tasks, NumPy {np.__version__}\n"
    )
    columns = ["learner", f"untrained, {metric}", f"trained, {metric}", "steps"]
    if metric == "mse":
        columns.insert(3, "with 10 inner steps")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for name in arguments.learners or table:
        print(run(name, make_task, metric, arguments), flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    main()
