"""Embedding learners on Omniglot: trained heads, and heads over features.

Each metric learner and closed-form head trains for the same number of minutes,
compiling included, on 10-way 1-shot episodes, and is evaluated before and after
on 600 fixed tasks of alphabets never seen in training. Then baselines and
transductive learners classify features of the prototypical network's backbone,
embedded once. 95 % intervals over tasks; prints rows of Markdown tables.

    python benchmarks/embedding_learners.py --data FILE --minutes 10
    python benchmarks/embedding_learners.py --data FILE --only r2d2 lrd2
"""

import argparse
import os

import keras
import omniglot
import tensorflow as tf
from gradient_learners import TimeBudget

import kerasmeta as km

SHAPE = (28, 28, 1)
RATE = 2e-3
learn = km.learners


def conv4():
    return km.backbones.conv4(SHAPE)


def feature_maps():
    """Return Conv4 up to its second block, 7x7 maps of 64 channels."""
    x = image = keras.Input(SHAPE)
    for _ in range(2):
        x = keras.layers.Conv2D(64, 3, padding="same")(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.MaxPooling2D()(keras.layers.ReLU()(x))
    return keras.Model(image, x)


# Name -> builder. Temperatures suit squared distances of Conv4's embeddings.
TRAINED = {
    "proto_net": lambda: learn.ProtoNet(conv4()),
    "matching_networks": lambda: learn.MatchingNetworks(conv4()),
    "relation_network": lambda: learn.RelationNetwork(feature_maps()),
    "siamese_network": lambda: learn.SiameseNetwork(conv4()),
    "feat": lambda: learn.FEAT(conv4(), temperature=1.0),
    "mahalanobis_net": lambda: learn.MahalanobisNet(conv4()),
    "gaussian_prototypes": lambda: learn.GaussianPrototypes(
        with_raw_covariance()
    ),
    "r2d2": lambda: learn.R2D2(conv4()),
    "lrd2": lambda: learn.LRD2(conv4()),
    "meta_opt_net": lambda: learn.MetaOptNet(conv4(), initial_scale=10.0),
}
LOSSES = {
    "relation_network": km.losses.RelationMeanSquaredError,
    "siamese_network": km.losses.RelationBinaryCrossentropy,
}
ON_FEATURES = (
    learn.ProtoNet,
    learn.SimpleShot,
    learn.NearestNeighbour,
    learn.Baseline,
    learn.BaselinePlusPlus,
    learn.SoftKMeans,
    learn.BDCSPN,
    learn.LaplacianShot,
    learn.TIM,
    learn.PTMAP,
)


def with_raw_covariance():
    """Return Conv4 with one more output, the precision of an example."""
    network = conv4()
    raw = keras.layers.Dense(1)(network.output)
    both = keras.layers.Concatenate()([network.output, raw])
    return keras.Model(network.inputs, both)


def compile_learner(learner, name=""):
    loss = LOSSES.get(name)
    learner.compile(
        keras.optimizers.Adam(RATE),
        loss=loss()
        if loss
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return learner


def judge(learner, test, arguments):
    """Return accuracies with intervals, a cell for each setting."""
    cells = []
    for setting in arguments.settings:
        ways, shots = map(int, setting.split("x"))
        accuracy, interval = omniglot.evaluate(
            learner, test, ways, shots, arguments.episodes
        )
        cells.append(f"{100 * accuracy:.1f} ± {100 * interval:.1f}")
    return cells


def train(name, data, test, arguments):
    """Train one learner, print its row, and return it."""
    keras.utils.set_random_seed(arguments.seed)
    learner = compile_learner(TRAINED[name](), name)
    before = judge(learner, test, arguments)
    episodes = km.episodes.episodes_from_arrays(
        *omniglot.with_rotations(*data),
        km.episodes.EpisodeSpec(10, 1, 5),
        batch_size=2,
        seed=arguments.seed,
    )
    budget = TimeBudget(60 * arguments.minutes, RATE)
    learner.fit(episodes, steps_per_epoch=10**7, callbacks=[budget], verbose=0)
    after = judge(learner, test, arguments)
    cells = [f"{a} → **{b}**" for a, b in zip(before, after)]
    print(f"| {name} | {' | '.join(cells)} | {budget.steps:,} |", flush=True)
    return learner


def judge_features(backbone, test, arguments):
    """Print a row for each head over features of one backbone."""
    features = km.evaluation.embed(backbone, test[0])
    inputs = keras.Input(features.shape[1:])
    for build in ON_FEATURES:
        learner = compile_learner(build(keras.Model(inputs, inputs)))
        kind = "yes" if getattr(learner, "transductive", False) else "no"
        cells = judge(learner, (features, test[1]), arguments)
        print(
            f"| {build.__name__} | {kind} | {' | '.join(cells)} |", flush=True
        )


def header(*columns):
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", nargs="*", choices=TRAINED)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--settings", nargs="*", default=["5x1", "5x5", "20x1", "20x5"]
    )
    arguments = parser.parse_args()
    data, test = omniglot.load(arguments.data)

    print(
        f"{arguments.minutes:g} minutes each on "
        f"{len(os.sched_getaffinity(0))} cores, TensorFlow {tf.__version__}, "
        f"{arguments.episodes} tasks; ways x shots\n"
    )
    header("learner, untrained → trained", *arguments.settings, "steps")
    trained = {
        name: train(name, data, test, arguments)
        for name in arguments.only or TRAINED
    }
    if "proto_net" in trained:
        print()
        header("over features", "transductive", *arguments.settings)
        judge_features(trained["proto_net"].backbone, test, arguments)


if __name__ == "__main__":
    main()
