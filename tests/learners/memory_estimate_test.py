"""Estimates of memory for each kind of gradient learner."""

import keras
import numpy as np
import pytest

import kerasmeta as km

CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
L = km.learners


def network(outputs=3):
    return km.backbones.mlp((20,), outputs, units=(64, 64))


def images():
    return km.backbones.conv4((16, 16, 1), num_classes=3, filters=4)


def with_context():
    x, context = keras.Input((20,)), keras.Input((5,))
    hidden = keras.layers.Concatenate()([x, context])
    for _ in range(2):
        hidden = keras.layers.Dense(64, "relu")(hidden)
    return keras.Model([x, context], keras.layers.Dense(3)(hidden))


def estimate(learner, shape=(20,)):
    learner.compile("adam", CROSSENTROPY)
    return learner.estimate_memory(
        km.episodes.episodes_from_arrays(
            np.zeros((60, *shape), "float32"),
            np.repeat(np.arange(3), 20),
            km.episodes.EpisodeSpec(ways=3, shots=5, queries=5),
            batch_size=4,
        )
    )


@pytest.fixture(scope="module")
def of_maml():
    return estimate(L.MAML(network(), inner_steps=2))


def lstm():
    optimizer = km.inner_optimizers.LSTMSteps(units=4)
    return L.MAML(network(), inner_steps=2, inner_optimizer=optimizer)


def abml(**kwargs):
    return L.ABML(network(), samples=2, from_logits=True, **kwargs)


# What a learner takes, over what MAML does: the least and the most of it.
QUICK = {
    "FOMAML": (lambda **k: L.MAML(network(), first_order=True, **k), 0.2, 0.9),
    "ANIL": (lambda **k: L.ANIL(network(), **k), 0.2, 0.8),
    "MAML++": (lambda **k: L.MAMLPlusPlus(network(), **k), 0.9, 2.5),
}
SLOW = {
    "BOIL": (lambda **k: L.BOIL(network(), **k), 0.7, 1.1),
    "MetaSGD": (lambda **k: L.MetaSGD(network(), **k), 0.9, 2.5),
    "MetaCurvature": (lambda **k: L.MetaCurvature(network(), **k), 1, 5),
    "ALFA": (lambda **k: L.ALFA(network(), **k), 0.9, 2.5),
    "LSTMSteps": (lambda **k: lstm(), 5, 100),
    "CAVIA": (lambda **k: L.CAVIA(with_context(), **k), 0.3, 1.2),
    "ProtoMAML": (lambda **k: L.ProtoMAML(network(8), 3, **k), 0.8, 2),
    "LEO": (lambda **k: L.LEO(network(8), 3, **k), 2, 12),
    "IMAML": (lambda **k: L.IMAML(network(), **k), 0.6, 2.5),
    "Reptile": (lambda **k: L.Reptile(network(), **k), 0.2, 1),
    # Of two draws, each with two numbers a weight, support set included.
    "ABML": (lambda **k: abml(**k), 4, 25),
}


@pytest.mark.parametrize(
    "name",
    [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)],
)
def test_of_each_learner(name, of_maml):
    make, least, most = {**QUICK, **SLOW}[name]
    assert least < estimate(make(inner_steps=2)) / of_maml < most


@pytest.mark.parametrize(
    "make, shape",
    [
        (network, (20,)),
        pytest.param(images, (16, 16, 1), marks=pytest.mark.slow),
    ],
)
def test_first_order_at_first_takes_no_less(make, shape):
    exact = estimate(L.MAML(make(), inner_steps=2), shape)
    annealed = L.MAML(make(), inner_steps=2, second_order_after=10)
    assert 0.95 < estimate(annealed, shape) / exact < 1.2
