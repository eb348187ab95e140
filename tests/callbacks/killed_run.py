"""A training run that a test kills; run as a program.

`python killed_run.py FAMILY BACKUP_DIR RESULT` trains, prints a line before
each step, and writes all variables to RESULT when it ends.
"""

import sys

import keras
import numpy as np

import kerasmeta as km

SPEC = km.episodes.EpisodeSpec(ways=3, shots=2, queries=2)
# More steps than ten kills come to, wherever a slow machine kills late.
STEPS_PER_EPOCH, EPOCHS = 15, 8


def network(outputs):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(8)(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.3)(keras.layers.ReLU()(x))
    return keras.Model(inputs, keras.layers.Dense(outputs)(x))


LEARNERS = {
    "MAML": lambda: km.learners.MAML(network(3), inner_steps=2),
    "ProtoNet": lambda: km.learners.ProtoNet(network(8)),
    "ABML": lambda: km.learners.ABML(
        network(3), inner_steps=1, samples=2, from_logits=True
    ),
    "Reptile": lambda: km.learners.Reptile(
        network(3), inner_steps=2, inner_batch_size=2
    ),
    "MANN": lambda: km.learners.MANN(
        network(8), ways=3, units=16, slots=8, heads=1
    ),
    "SNAIL": lambda: km.learners.SNAIL(
        network(8), ways=3, support_size=6, filters=4, key_sizes=(4, 4, 4)
    ),
    "RL2": lambda: km.rl.RL2(
        km.rl.BernoulliBandits(arms=2), trial_length=3, units=4
    ),
    "NeuralProcess": lambda: km.learners.NeuralProcess(width=8, latent_size=4),
}


def make(family, num_episodes=None, **options):
    """Return a compiled learner and its episodes, from arrays with options."""
    keras.utils.set_random_seed(1)
    learner = LEARNERS[family]()
    optimizer = keras.optimizers.Adam(1e-2)
    if family == "RL2":
        learner.compile(optimizer)
        return learner, learner.environment.trials(batch_size=2)
    if family == "NeuralProcess":
        learner.compile(optimizer, km.losses.GaussianNegativeLogLikelihood())
        return learner, km.tasks.Sinusoid(5, 5).episodes(
            batch_size=2, num_episodes=num_episodes
        )
    learner.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    y = np.repeat(np.arange(9), 6)
    x = np.random.default_rng(0).normal(size=(54, 4)).astype("float32")
    x += y[:, None] / 5
    return learner, km.episodes.episodes_from_arrays(
        x, y, SPEC, batch_size=2, num_episodes=num_episodes, **options
    )


def variables(learner):
    """Return all that training changes, as a list of arrays."""
    changed = [
        *learner.variables,
        *learner.optimizer.variables,
        *learner.metrics_variables,
    ]
    return [variable.numpy() for variable in changed]


class Interrupt(keras.callbacks.Callback):
    """Stands in for a crash at the beginning of a step."""

    def __init__(self, after):
        super().__init__()
        self.steps_left = iter(range(after))

    def on_train_batch_begin(self, batch, logs=None):
        if next(self.steps_left, None) is None:
            raise InterruptedError


class Tell(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        print("step", flush=True)


def main(family, backup_dir, result):
    learner, episodes = make(family)
    backup = km.callbacks.BackupAndRestore(backup_dir, save_freq=2)
    history = learner.fit(
        episodes,
        steps_per_epoch=STEPS_PER_EPOCH,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[Tell(), backup],
    )
    losses = np.array(history.history["loss"])
    np.savez(result, losses, *variables(learner))


if __name__ == "__main__":
    main(*sys.argv[1:])
