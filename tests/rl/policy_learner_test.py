"""What all learners that act do alike."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

BANDITS = km.rl.BernoulliBandits(arms=2)


def rl2(environment=BANDITS, **kwargs):
    return km.rl.RL2(environment, trial_length=4, units=4, **kwargs)


def maml(environment=BANDITS):
    size = environment.action_size
    outputs = size if environment.is_discrete else 2 * size
    network = km.backbones.mlp(
        (environment.observation_size,), outputs, units=(4,)
    )
    return km.rl.MAMLPolicyGradient(environment, network, episodes_per_step=3)


@pytest.fixture(
    params=[
        "mixed_float16",
        pytest.param("mixed_bfloat16", marks=pytest.mark.slow),
    ]
)
def policy(request):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("make", [rl2, maml])
@pytest.mark.parametrize(
    "environment",
    [
        BANDITS,
        pytest.param(km.rl.Navigation2D(horizon=3), marks=pytest.mark.slow),
    ],
    ids=["numbered", "vectors"],
)
def test_half_precision(make, environment, policy):
    learner = make(environment)
    assert learner.dtype_policy.name == "float32"
    optimizer = keras.optimizers.Adam(1e-2)
    if policy == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    learner.compile(optimizer=optimizer, run_eagerly=True)
    before = learner.get_weights()
    history = learner.fit(
        environment.trials(4), steps_per_epoch=1, verbose=0
    ).history
    logs = learner.evaluate(
        environment.trials(4, num_trials=4), return_dict=True, verbose=0
    )
    values = np.ravel([*history.values(), *([v] for v in logs.values())])
    assert np.isfinite(values).all()
    after = learner.get_weights()
    assert any((a != b).any() for a, b in zip(before, after))
    assert all(np.isfinite(w).all() for w in after)
    layers = learner._flatten_layers(include_self=False)
    computed = {layer.compute_dtype for layer in layers if layer.weights}
    assert computed == {policy.removeprefix("mixed_")}


def test_updates_are_traced_once():
    class Counted(km.rl.RL2):
        traces = 0

        def policy_loss(self, experience):
            self.traces += 1
            return super().policy_loss(experience)

    learner = Counted(BANDITS, trial_length=2, units=3)
    for times in (1, 2):
        # What is compiled anew may have another optimizer.
        learner.compile(optimizer="adam", run_eagerly=True)
        learner.fit(BANDITS.trials(4), steps_per_epoch=3, verbose=0)
        assert learner.traces == times


def test_only_trials_are_taken():
    learner = rl2()
    learner.compile(optimizer="adam")
    tasks = BANDITS.sample_tasks(4, [0, 0])
    with pytest.raises(ValueError, match="`Environment.trials` returns"):
        learner.fit(tasks)
    with pytest.raises(ValueError, match="`Environment.trials` returns"):
        learner.evaluate(tf.data.Dataset.from_tensors({"tasks": tasks}))


SCRIPT = """
import sys
import keras, numpy as np, tensorflow as tf
import kerasmeta as km

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
bandits = km.rl.BernoulliBandits(arms=2)
build = {
    "RL2": lambda: km.rl.RL2(bandits, 4, units=4, updates=2),
    "MAMLPolicyGradient": lambda: km.rl.MAMLPolicyGradient(
        bandits, km.backbones.mlp((1,), 2, units=(4,)), episodes_per_step=3
    ),
}[sys.argv[1]]

def made():
    keras.utils.set_random_seed(0)
    learner = build()
    learner.compile(keras.optimizers.SGD(0.1))
    return learner

with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    both = made()
one = made()
trials = bandits.trials(6, num_trials=6)
[batch] = trials
# What each replica should see: half of the tasks, and the first seed of it.
halves = [
    tf.nest.map_structure(lambda t: t[i : i + 3], batch) for i in (0, 3)
]
experience, returns = zip(*(
    one.collect(half["tasks"], half["seed"][0], training=True)
    for half in halves
))
history = both.fit(trials, verbose=0).history
for name in returns[0]:
    earned = np.mean([r[name] for r in returns])
    np.testing.assert_allclose(history[name], [earned], rtol=1e-5)
for _ in range(one.updates):
    with tf.GradientTape() as tape:
        loss = sum(one.policy_loss(e) for e in experience) / 2
    gradients = tape.gradient(loss, one.trainable_variables)
    one.optimizer.apply_gradients(zip(gradients, one.trainable_variables))
for a, b in zip(one.get_weights(), both.get_weights(), strict=True):
    np.testing.assert_allclose(a, b, atol=1e-5)
logs = both.evaluate(trials, return_dict=True, verbose=0)
assert np.isfinite(list(logs.values())).all(), logs
try:
    both.fit(bandits.trials(5), steps_per_epoch=1)
except ValueError as error:
    assert "a multiple of 2" in str(error)
    print("equal")
"""


def test_what_needs_a_support_set_is_refused():
    learner = rl2(km.rl.BernoulliBandits(2))
    with pytest.raises(NotImplementedError, match="`evaluate` returns"):
        learner.predict(np.zeros([2, 3]))
    with pytest.raises(NotImplementedError, match="`save` keeps one"):
        learner.export("never written")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["RL2", "MAMLPolicyGradient"])
def test_two_replicas_have_shares_and_seeds_of_their_own(name):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal")
