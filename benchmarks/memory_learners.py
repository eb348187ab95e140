"""Learners with memory on Omniglot, 5-way 1-shot and 5-shot.

Each learner trains for the same number of minutes, compiling included, on
episodes of the kind that it is judged on, and is evaluated before and after on
fixed tasks of alphabets never seen in training. A prototypical network with the
same backbone and episodes is there to compare with. 95 % intervals over tasks;
prints rows of a Markdown table.

    python benchmarks/memory_learners.py --data FILE --minutes 10
    python benchmarks/memory_learners.py --data FILE --only snail --episodes 200
"""

import argparse
import os

import keras
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", nargs="*", choices=TRAINED)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data, test = omniglot.load(arguments.data)

    print(
        f"{arguments.minutes:g} minutes each on "
        f"{len(os.sched_getaffinity(0))} cores, TensorFlow {tf.__version__}, "
        f"{arguments.episodes} tasks\n"
    )
    header("learner", "ways x shots", "untrained", "trained", "steps")
    for name in arguments.only or TRAINED:
        for setting in SETTINGS:
            train(name, setting, data, test, arguments)


if __name__ == "__main__":
    main()
