"""Few-shot classification of Omniglot characters of unseen alphabets.

Trains on the first 25 alphabets of the background set and evaluates on the
other 5: 600 fixed episodes of each kind, with 95 % intervals over tasks.

    python benchmarks/omniglot.py --data omniglot_background_28_u8.npz
    python benchmarks/omniglot.py --data FILE --learner maml
    python benchmarks/omniglot.py --data FILE --augment --steps 8500

The file holds `images` (N, 28, 28) uint8 and, for each image, `char_id` and
`alphabet`. On Linux, `GLIBC_TUNABLES=glibc.malloc.hugetlb=1` in front of the
command spares page faults, which dominate BatchNormalization on a CPU. Minutes
are processor time over the number of cores, whatever else the machine does.
"""

import argparse
import json
import os
import time

import keras
import numpy as np
import tensorflow as tf

import kerasmeta as km

TRAIN_ALPHABETS = 25
EVALUATIONS = {
    "proto_net": [(5, 1), (5, 5), (20, 1), (20, 5)],
    "maml": [(5, 1)],
}
STEPS = {"proto_net": 3500, "maml": 16000}


def load(path):
    """Return `(x, y)` of the training and of the test alphabets."""
    with np.load(path) as data:
        images, labels = data["images"][..., None], data["char_id"]
        is_train = data["alphabet"] < TRAIN_ALPHABETS
    return (images[is_train], labels[is_train]), (
        images[~is_train],
        labels[~is_train],
    )


def with_rotations(x, y):
    """Return the examples turned by 0, 90, 180 and 270 degrees, as classes."""
    turned = np.concatenate([np.rot90(x, k, axes=(1, 2)) for k in range(4)])
    classes = np.concatenate([y + k * (y.max() + 1) for k in range(4)])
    return turned, classes


def turn_and_shift(image, seed):
    """Return an image turned, stretched and shifted at random, a little."""
    turn, *bends, dy, dx = tf.unstack(
        tf.random.stateless_uniform([7], seed, -1.0, 1.0)
    )
    angle = 0.2 * turn
    scale_y, scale_x, shear_y, shear_x = [0.12 * bend for bend in bends]
    matrix = tf.stack(
        [
            [(1 + scale_x) * tf.cos(angle), shear_x - tf.sin(angle)],
            [shear_y + tf.sin(angle), (1 + scale_y) * tf.cos(angle)],
        ]
    )
    # Around the middle of the image, 2 pixels off at the most.
    middle = tf.constant([13.5, 13.5])
    shift = middle - tf.linalg.matvec(matrix, middle) + 2 * tf.stack([dx, dy])
    rows = tf.reshape(tf.concat([matrix, shift[:, None]], axis=1), [6])
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=tf.concat([rows, [0.0, 0.0]], axis=0)[None],
        output_shape=[28, 28],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )[0]
    return tf.ensure_shape(turned, image.shape)


def make_learner(name, steps):
    """Return a compiled learner and the episodes that it is trained on."""
    if name == "proto_net":
        backbone = km.backbones.conv4((28, 28, 1))
        learner = km.learners.ProtoNet(backbone)
        spec, batch_size = km.episodes.EpisodeSpec(30, 1, 4), 1
    else:
        network = km.backbones.conv4(
            (28, 28, 1), num_classes=5, downsampling="stride"
        )
        learner = km.learners.MAML(
            network, inner_learning_rate=0.4, inner_steps=3
        )
        spec, batch_size = km.episodes.EpisodeSpec(5, 1, 5), 4
    learner.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(2e-3, steps, alpha=0.01)
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return learner, spec, batch_size


def evaluate(learner, data, ways, shots, num_episodes):
    """Return accuracy and interval on fixed episodes of unseen classes."""
    spec = km.episodes.EpisodeSpec(ways, shots, 15)
    episodes = km.episodes.episodes_from_arrays(
        *data, spec, batch_size=4, seed=1, num_episodes=num_episodes
    )
    logs = learner.evaluate(episodes, return_dict=True, verbose=0)
    return logs["accuracy"], logs["accuracy_ci95"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--learner", choices=STEPS, default="proto_net")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)
    steps = arguments.steps or STEPS[arguments.learner]

    train, test = load(arguments.data)
    learner, spec, batch_size = make_learner(arguments.learner, steps)
    change = turn_and_shift if arguments.augment else None
    episodes = km.episodes.episodes_from_arrays(
        *with_rotations(*train),
        spec,
        batch_size,
        seed=arguments.seed,
        augment_support=change,
        augment_query=change,
    )
    settings = EVALUATIONS[arguments.learner]

    def judge():
        return [
            evaluate(learner, test, ways, shots, arguments.episodes)
            for ways, shots in settings
        ]

    before = judge()
    start = time.process_time()
    epochs = 10
    learner.fit(
        episodes, steps_per_epoch=-(-steps // epochs), epochs=epochs, verbose=2
    )
    cores = len(os.sched_getaffinity(0))
    minutes = (time.process_time() - start) / cores / 60
    after = judge()

    print(
        f"\n{arguments.learner}: {steps} steps in {minutes:.1f} minutes on "
        f"{cores} cores, TensorFlow {tf.__version__}, {arguments.episodes} "
        "episodes each"
    )
    print("| | untrained, % | trained, % |\n|---|---|---|")
    rows = []
    for (ways, shots), (a, da), (b, db) in zip(settings, before, after):
        print(
            f"| {ways}-way {shots}-shot | {100 * a:.2f} ± {100 * da:.2f} "
            f"| {100 * b:.2f} ± {100 * db:.2f} |"
        )
        rows.append({"ways": ways, "shots": shots, "accuracy": b, "ci95": db})
    print(json.dumps({"minutes": minutes, "steps": steps, "results": rows}))


if __name__ == "__main__":
    main()
