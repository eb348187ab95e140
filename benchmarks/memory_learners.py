"""Learners with memory on Omniglot, 5-way 1-shot and 5-shot.

Each learner trains for the same number of minutes, compiling included, on
episodes of the kind that it is judged on, and is evaluated before and after on
fixed tasks of alphabets never seen in training. A prototypical network with the
same backbone and episodes is there to compare with. 95 % intervals over tasks;
prints rows of a Markdown table.

    python benchmarks/memory_learners.py --data FILE --minutes 10
    python benchmarks/memory_learners.py --data FILE --only snail --episodes 200
    python benchmarks/memory_learners.py --data FILE --shifted --minutes 60

With `--shifted`, labels come one step late, in sequences of 10 examples of each
of 5 classes, and each example is predicted from those before it: the accuracy
at the 1st, 2nd, 5th and 10th instance of a class, as in table 1 of Santoro et
al., 2016, arXiv:1605.06065.
"""

import argparse
import os

import keras
import numpy as np
import omniglot
import tensorflow as tf
from embedding_learners import RATE
from embedding_learners import compile_learner
from embedding_learners import conv4
from embedding_learners import header
from embedding_learners import judge
from gradient_learners import TimeBudget

import kerasmeta as km

WAYS = 5
SETTINGS = {"5x1": 1, "5x5": 5}
learn = km.learners

# Name -> builder, from the number of support examples.
TRAINED = {
    "in_context_transformer": lambda size: learn.InContextTransformer(
        conv4(), WAYS
    ),
    "snail": lambda size: learn.SNAIL(conv4(), WAYS, size),
    "recurrent_network": lambda size: learn.RecurrentNetwork(
        conv4(), WAYS, memory_length=25
    ),
    "mann": lambda size: learn.MANN(
        conv4(), WAYS, units=128, slots=size + 1, heads=1
    ),
    "meta_networks": lambda size: learn.MetaNetworks(conv4(), WAYS),
    "proto_net": lambda size: learn.ProtoNet(conv4()),
}


def train(name, setting, data, test, arguments):
    """Train one learner for one setting, and print its row."""
    keras.utils.set_random_seed(arguments.seed)
    shots = SETTINGS[setting]
    learner = compile_learner(TRAINED[name](WAYS * shots))
    [before] = judge(learner, test, [setting], arguments)
    episodes = km.episodes.episodes_from_arrays(
        *omniglot.with_rotations(*data),
        km.episodes.EpisodeSpec(WAYS, shots, 5),
        batch_size=8,
        seed=arguments.seed,
    )
    budget = TimeBudget(60 * arguments.minutes, RATE)
    learner.fit(episodes, steps_per_epoch=10**7, callbacks=[budget], verbose=0)
    [after] = judge(learner, test, [setting], arguments)
    cells = [name, setting, before, f"**{after}**", f"{budget.steps:,}"]
    print(f"| {' | '.join(cells)} |", flush=True)


# Those that can be told labels one step late.
SHIFTED = "recurrent_network", "mann"
INSTANCES = {"1st": 0, "2nd": 1, "5th": 4, "10th": 9}


def train_shifted(name, data, test, arguments):
    """Train with labels one step late; print accuracies by instance."""
    keras.utils.set_random_seed(arguments.seed)
    spec = km.episodes.EpisodeSpec(WAYS, max(INSTANCES.values()) + 1, 1)
    built = TRAINED[name](spec.ways * spec.shots)
    config = {**built.get_config(), "shift_labels": True}
    learner = compile_learner(type(built).from_config(config))
    episodes = km.episodes.episodes_from_arrays(
        *omniglot.with_rotations(*data),
        spec,
        batch_size=8,
        seed=arguments.seed,
    )
    budget = TimeBudget(60 * arguments.minutes, RATE)
    learner.fit(episodes, steps_per_epoch=10**7, callbacks=[budget], verbose=0)
    unseen = km.episodes.episodes_from_arrays(
        *test, spec, batch_size=4, seed=1, num_episodes=arguments.episodes
    )
    predict = tf.function(learner.predict_stream, autograph=False)
    shares = [
        by_instance(predict(x["support_x"], x["support_y"]), x["support_y"])
        for x, _ in unseen
    ]
    shares = 100 * np.concatenate(shares)[:, list(INSTANCES.values())]
    intervals = zip(*km.rl.task_interval(shares.T))
    cells = [f"{mean:.1f} ± {width:.1f}" for mean, width in intervals]
    print(f"| {' | '.join([name, *cells, f'{budget.steps:,}'])} |", flush=True)


def by_instance(logits, labels):
    """Return the accuracy at the first, second, ... instance of a class.

    Args:
        logits: `[T, S, ways]`.
        labels: `[T, S]`, of which each occurs equally often.

    Returns:
        Means over the classes of a task, `[T, S / ways]`.
    """
    labels = np.asarray(labels)
    is_right = np.argmax(logits, axis=-1) == labels
    order = np.argsort(labels, axis=-1, kind="stable")
    by_class = np.take_along_axis(is_right, order, axis=-1)
    ways = logits.shape[-1]
    return by_class.reshape(len(by_class), ways, -1).mean(axis=1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", nargs="*", choices=TRAINED)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--shifted", action="store_true", help="labels come one step late"
    )
    arguments = parser.parse_args()
    if arguments.shifted and not {*(arguments.only or ())} <= {*SHIFTED}:
        parser.error(f"--shifted is for {' and '.join(SHIFTED)} only")
    data, test = omniglot.load(arguments.data)

    print(
        f"{arguments.minutes:g} minutes each on "
        f"{len(os.sched_getaffinity(0))} cores, TensorFlow {tf.__version__}, "
        f"{arguments.episodes} tasks\n"
    )
    if arguments.shifted:
        header("learner", *INSTANCES, "steps")
        for name in arguments.only or SHIFTED:
            train_shifted(name, data, test, arguments)
        return
    header("learner", "ways x shots", "untrained", "trained", "steps")
    for name in arguments.only or TRAINED:
        for setting in SETTINGS:
            train(name, setting, data, test, arguments)


if __name__ == "__main__":
    main()
