"""Networks of all kinds in a learner of every family: LoRA, int8, tuning."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import kerasmeta as km

QUICK = {
    "test_lora": ["metric"],
    "test_int8": ["metric"],
    "test_kinds_of_networks": ["gradient", "memory", "recurrent"],
    "test_summary": ["implicit"],
    "test_nothing_to_train": ["metric"],
}


@keras.saving.register_keras_serializable(package="features")
class SubClassed(keras.Model):
    """The network of a family, as a class."""

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(6, "tanh")
        self.head = keras.layers.Dense(outputs)

    def call(self, x):
        return self.head(self.hidden(x))


def functional(outputs):
    x = keras.Input((4,))
    hidden = keras.layers.Dense(6, "tanh")(x)
    return keras.Model(x, keras.layers.Dense(outputs)(hidden))


def gradients_of(learner, data):
    x, y = next(iter(data))
    gradients = learner.meta_gradients(x, y)[2]
    return np.concatenate([np.ravel(g) for g in gradients])


def test_kinds_of_networks(family):
    """Sequential, functional and sub-classed networks are the same."""
    if not family.has_network:
        pytest.skip("makes its networks itself")
    data, sequential = family.episodes(1), family.network()
    outputs = sequential.output_shape[-1]
    sub_classed = SubClassed(outputs)
    sub_classed(np.zeros((1, 4)))
    results = []
    for network in (sequential, functional(outputs), sub_classed):
        learner = family.compile(family.build(network))
        network.set_weights(sequential.get_weights())
        results.append(gradients_of(learner, data))
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-4, atol=1e-6)


def enable_lora(model):
    """Enable LoRA on the first dense layer of a model, and return it."""
    layer = next(
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Dense)
    )
    layer.enable_lora(1)
    return layer


def learner_with_lora(family):
    """Return a learner, and the layer of it that has LoRA."""
    if family.has_network:
        network = family.network()
        layer = enable_lora(network)
        return family.compile(family.build(network)), layer
    learner = family.build()
    layer = enable_lora(learner)
    return family.compile(learner), layer


def test_lora(family, tmp_path, weights_of):
    """The matrices adapt and train in place of the kernel, also from files."""
    learner, layer = learner_with_lora(family)
    assert len(weights_of(learner)) < len(weights_of(family.learner()))
    kernel = layer._kernel.numpy()
    data = family.episodes(2)
    learner.fit(data, verbose=0)
    np.testing.assert_array_equal(layer._kernel, kernel)
    assert np.abs(layer.lora_kernel_b).max() > 1e-5
    predictions = learner.predict(data, verbose=0)
    x, _ = next(iter(data))
    model = learner.adapted_model(x["support_x"][0], x["support_y"][0])
    np.testing.assert_allclose(
        model.predict(x["query_x"][0], verbose=0),
        predictions[0],
        rtol=1e-3,
        atol=1e-4,
    )
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0), predictions, rtol=1e-4, atol=1e-5
    )
    if not family.has_network:
        return  # Its configuration knows no LoRA: the file has kernels only.
    for one in (learner, loaded):
        one.fit(data, verbose=0)
    np.testing.assert_allclose(
        weights_of(loaded), weights_of(learner), rtol=1e-4, atol=1e-6
    )


def with_head(family, backbone):
    """Return a frozen backbone with a head where the family needs one."""
    backbone.trainable = False
    x = keras.Input((4,))
    features = backbone(x)
    if isinstance(family.build(), km.learners.GradientLearner):
        features = keras.layers.Dense(3, name="head")(features)
    return keras.Model(x, features)


def test_int8(family, tmp_path):
    """A quantised backbone predicts about the same, and stays as it is."""
    if not family.has_network:
        pytest.skip("makes its networks itself")
    data, backbone = family.episodes(1), family.network()
    network = with_head(family, backbone)
    exact = family.compile(family.build(network)).predict(data, verbose=0)
    backbone.quantize("int8")
    kernel = backbone.layers[0]._kernel
    assert kernel.dtype == "int8"
    before = kernel.numpy()
    learner = family.compile(family.build(network))
    rounded = learner.predict(data, verbose=0)
    assert np.abs(rounded - exact).max() < 0.1 * np.abs(exact).max()
    if learner.trainable_variables:
        learner.fit(data, verbose=0)
    np.testing.assert_array_equal(kernel, before)
    learner.save(tmp_path / "learner.keras")
    loaded = keras.models.load_model(tmp_path / "learner.keras")
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-4,
        atol=1e-5,
    )


def test_nothing_to_train(family):
    """`fit` of frozen networks warns and measures, as Keras does."""
    learner = family.build()
    learner.trainable = False
    if isinstance(learner, km.learners.GradientLearner):
        with pytest.raises(ValueError, match="everything is frozen"):
            family.build(learner.network)
        return
    family.compile(learner)
    data = family.episodes(1)
    with pytest.warns(UserWarning, match="any trainable weights"):
        history = learner.fit(data, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_summary(family):
    learner = family.learner()
    lines = []
    learner.summary(print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    total = sum(v.shape.num_elements() for v in learner.weights)
    assert f"Total params: {total:,}" in text
    assert learner.name in text


@pytest.mark.slow
def test_keras_tuner(tmp_path):
    """A search over inner rates and steps finds the one that learns."""
    keras_tuner = pytest.importorskip("keras_tuner")

    def build(choices):
        keras.utils.set_random_seed(0)
        learner = km.learners.MAML(
            km.backbones.mlp((1,), 1, units=(16,)),
            inner_learning_rate=choices.Choice("rate", [1e-6, 0.05]),
            inner_steps=choices.Choice("steps", [1, 3]),
        )
        learner.compile(optimizer="adam", loss="mse")
        return learner

    tuner = keras_tuner.GridSearch(
        build, objective="val_loss", max_trials=4, directory=tmp_path
    )
    family = km.tasks.Sinusoid(shots=10)
    train, other = (
        family.episodes(8, seed=seed, num_episodes=80) for seed in (0, 1)
    )
    tuner.search(train, validation_data=other, epochs=3, verbose=0)
    assert len(tuner.oracle.trials) == 4
    best = tuner.get_best_hyperparameters()[0].values
    assert best["rate"] == 0.05
    learner = tuner.get_best_models()[0]
    assert learner.inner_steps == best["steps"]


# Prints the weights of a learner of every family after some steps, as bits.
DETERMINISTIC = """
import hashlib, importlib.util, sys
import keras, tensorflow as tf
spec = importlib.util.spec_from_file_location("families", sys.argv[1])
families = importlib.util.module_from_spec(spec)
sys.modules["families"] = families
spec.loader.exec_module(families)
tf.config.experimental.enable_op_determinism()
for name in families.FAMILIES:
    family = families.Family(name)
    learner = family.learner()
    learner.fit(family.episodes(3), verbose=0)
    bits = b"".join(v.numpy().tobytes() for v in learner.weights)
    print(name, hashlib.sha256(bits).hexdigest())
"""


@pytest.mark.slow
def test_runs_are_the_same_bit_for_bit():
    families = pathlib.Path(__file__).with_name("conftest.py")
    runs = [
        subprocess.run(
            [sys.executable, "-c", DETERMINISTIC, str(families)],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.splitlines()
        for _ in range(2)
    ]
    assert len(runs[0]) == 12
    assert runs[0] == runs[1]
