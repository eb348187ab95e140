"""Two replicas train as one does, padding included."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import keras, numpy as np, tensorflow as tf
import kerasmeta as km

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
y = np.repeat(np.arange(6), 10)
x = np.random.default_rng(0).normal(size=(60, 4))
specs = [
    km.episodes.EpisodeSpec(3, 1, 4),
    km.episodes.EpisodeSpec((2, 3), (1, 2), (1, 4)),
]

learn = km.learners
build = {
    "MAML": lambda: learn.MAML(km.backbones.mlp((4,), 3), 0.1),
    "ProtoNet": lambda: learn.ProtoNet(km.backbones.mlp((4,), 3)),
    "R2D2": lambda: learn.R2D2(km.backbones.mlp((4,), 3)),
}[sys.argv[1]]

def weights(strategy, spec):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        learner = build()
        learner.compile(
            keras.optimizers.SGD(0.1),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
    episodes = km.episodes.episodes_from_arrays(x, y, spec, num_episodes=12)
    learner.fit(episodes, verbose=0)
    logs = learner.evaluate(episodes, return_dict=True, verbose=0)
    return learner.get_weights(), logs["loss"]

for spec in specs:
    one, loss_of_one = weights(tf.distribute.get_strategy(), spec)
    both, loss_of_both = weights(
        tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), spec
    )
    for a, b in zip(one, both, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    np.testing.assert_allclose(loss_of_one, loss_of_both, rtol=1e-5)
print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MAML", "ProtoNet", "R2D2"])
def test_two_replicas_are_one(name):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal")
