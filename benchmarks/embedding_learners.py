"""Embedding learners on Omniglot: trained heads, and heads over features.

Each metric learner and closed-form head trains for the same number of minutes,
compiling included, on 10-way 1-shot episodes, and is evaluated on 600 fixed
tasks of alphabets never seen in training; on the first kind of them before
training, too. Then baselines and transductive learners classify features of two
backbones, embedded once: one pre-trained by an ordinary `fit` on all training
classes at once, for as many minutes, and the prototypical network's. 95 %
intervals over tasks; prints rows of Markdown tables.

    python benchmarks/embedding_learners.py --data FILE --minutes 10
    python benchmarks/embedding_learners.py --data FILE --only r2d2 lrd2
"""

import argparse
import os

import keras
import numpy as np
import omniglot
import tensorflow as tf
from gradient_learners import TimeBudget

import kerasmeta as km

SHAPE = (28, 28, 1)
RATE = 2e-3
CONTEXT = 64
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
    "matching_networks": lambda: learn.MatchingNetworks(
        conv4(), temperature=0.1
    ),
    "matching_networks_context": lambda: learn.MatchingNetworks(
        conv4(), temperature=0.1, full_context_embeddings=True
    ),
    "relation_network": lambda: learn.RelationNetwork(feature_maps()),
    "siamese_network": lambda: learn.SiameseNetwork(conv4()),
    "feat": lambda: learn.FEAT(conv4(), temperature=1.0),
    "mahalanobis_net": lambda: learn.MahalanobisNet(conv4()),
    "gaussian_prototypes": lambda: learn.GaussianPrototypes(
        with_raw_covariance()
    ),
    "cnaps": lambda: learn.CNAPS(modulated_conv4(), set_encoder()),
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
PRETRAINED = "pretrained"


def with_raw_covariance():
    """Return Conv4 with one more output, the precision of an example."""
    network = conv4()
    raw = keras.layers.Dense(1)(network.output)
    both = keras.layers.Concatenate()([network.output, raw])
    return keras.Model(network.inputs, both)


def modulated_conv4():
    """Return Conv4 with a context that modulates it."""
    return km.backbones.conv4(SHAPE, context_size=CONTEXT)


def set_encoder():
    """Return a small network from a support example to a part of a context."""
    return km.backbones.conv4(SHAPE, CONTEXT, filters=32, downsampling="stride")


def compile_learner(learner, name="", rate=RATE):
    loss = LOSSES.get(name)
    learner.compile(
        keras.optimizers.Adam(rate),
        loss=loss()
        if loss
        else keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return learner


def judge(learner, test, settings, arguments):
    """Return accuracies with intervals, a cell for each setting."""
    cells = []
    for setting in settings:
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
    untrained = judge(learner, test, arguments.settings[:1], arguments)
    episodes = km.episodes.episodes_from_arrays(
        *omniglot.with_rotations(*data),
        km.episodes.EpisodeSpec(10, 1, 5),
        batch_size=2,
        seed=arguments.seed,
    )
    budget = TimeBudget(60 * arguments.minutes, RATE)
    learner.fit(episodes, steps_per_epoch=10**7, callbacks=[budget], verbose=0)
    trained = judge(learner, test, arguments.settings, arguments)
    row = [name, f"{budget.steps:,}", *untrained, *trained]
    print(f"| {' | '.join(row)} |", flush=True)
    return learner


def pretrain(data, arguments):
    """Return a backbone trained by an ordinary `fit` on all classes at once."""
    keras.utils.set_random_seed(arguments.seed)
    x, y = omniglot.with_rotations(*data)
    classes, y = np.unique(y, return_inverse=True)
    backbone = conv4()
    classifier = keras.Sequential([backbone, keras.layers.Dense(len(classes))])
    compile_learner(classifier)
    budget = TimeBudget(60 * arguments.minutes, RATE)
    batches = tf.data.Dataset.from_tensor_slices((x, y)).repeat()
    batches = batches.shuffle(len(x), seed=arguments.seed).batch(128)
    classifier.fit(
        batches, steps_per_epoch=10**7, callbacks=[budget], verbose=0
    )
    return backbone


def judge_features(name, backbone, data, test, arguments):
    """Print a row for each head over features of one backbone."""
    mean = km.evaluation.embed(backbone, data[0]).mean(axis=0)
    features = km.evaluation.embed(backbone, test[0])
    inputs = keras.Input(features.shape[1:])
    for build in ON_FEATURES:
        options = {"base_mean": mean} if build is learn.SimpleShot else {}
        learner = build(keras.Model(inputs, inputs), **options)
        compile_learner(learner)
        kind = "yes" if learner.transductive else "no"
        data = features, test[1]
        cells = judge(learner, data, arguments.settings, arguments)
        row = [name, build.__name__, kind, *cells]
        print(f"| {' | '.join(row)} |", flush=True)


def header(*columns):
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", nargs="*", choices=[*TRAINED, PRETRAINED])
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
    names = arguments.only or [*TRAINED, PRETRAINED]
    first, *_ = settings = arguments.settings
    header("learner", "steps", f"untrained, {first}", *settings)
    backbones = {}
    for name in TRAINED:
        if name in names:
            learner = train(name, data, test, arguments)
            if name == "proto_net":
                backbones[name] = learner.backbone
    if PRETRAINED in names:
        backbones[PRETRAINED] = pretrain(data, arguments)
    if backbones:
        print()
        header("backbone", "head", "transductive", *settings)
    for name, backbone in backbones.items():
        judge_features(name, backbone, data, test, arguments)


if __name__ == "__main__":
    main()
