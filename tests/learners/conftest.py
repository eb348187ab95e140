"""One small learner of every family, for tests of what all of them must do.

A test that asks for `family` runs with each. By default it runs only with those
that its module names for it in `QUICK`; the others are slow.
"""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.testing.float64 import double_precision

learners = km.learners
STEPS = {"inner_learning_rate": 0.1, "inner_steps": 2}
# Name -> function of a network. Of gradient learners it has a head.
GRADIENT = {
    "gradient": lambda net: learners.MAML(net, **STEPS),
    "no gradient": lambda net: learners.Reptile(net, **STEPS),
    "implicit": lambda net: learners.IMAML(net, cg_steps=2, **STEPS),
    "probabilistic": lambda net: learners.ABML(
        net, samples=2, initial_deviation=0.3, from_logits=True, **STEPS
    ),
}
EMBEDDING = {
    "metric": lambda net: learners.ProtoNet(net, ways=3),
    "closed form": lambda net: learners.R2D2(net, ways=3),
    "baseline": lambda net: learners.Baseline(net, ways=3, steps=3),
    "transductive": lambda net: learners.SoftKMeans(net, ways=3),
    "memory": lambda net: learners.InContextTransformer(
        net, ways=3, blocks=1, width=4, heads=2, hidden_units=4
    ),
    "recurrent": lambda net: learners.MANN(
        net, ways=3, units=4, slots=3, slot_size=2, heads=1
    ),
}
PROCESSES = {
    "process": lambda _: learners.ConditionalNeuralProcess(4, width=6),
    "latent process": lambda _: learners.NeuralProcess(
        4, width=6, latent_size=2, samples=2
    ),
}
FAMILIES = {**GRADIENT, **EMBEDDING, **PROCESSES}


@dataclasses.dataclass(frozen=True)
class Family:
    """How to make learners of a family, and episodes for them.

    Args:
        name: Key of `FAMILIES`.
    """

    name: str

    @property
    def has_network(self):
        return self.name not in PROCESSES

    def network(self):
        """Return a network that suits the family."""
        outputs = 3 if self.name in GRADIENT else 4
        return keras.Sequential(
            [
                keras.Input((4,)),
                keras.layers.Dense(6, "tanh"),
                keras.layers.Dense(outputs),
            ]
        )

    def build(self, network=None):
        """Return a new learner with the same weights each time."""
        keras.utils.set_random_seed(0)
        if network is None and self.has_network:
            network = self.network()
        return FAMILIES[self.name](network)

    def compile(self, learner, optimizer=None, **kwargs):
        """Compile a learner, and return it."""
        if self.has_network:
            kwargs["loss"] = keras.losses.SparseCategoricalCrossentropy(True)
            kwargs["metrics"] = ["accuracy"]
        else:
            kwargs["loss"] = km.losses.GaussianNegativeLogLikelihood()
            kwargs["metrics"] = [km.metrics.GaussianMeanSquaredError()]
        learner.compile(optimizer or keras.optimizers.SGD(0.1), **kwargs)
        return learner

    def learner(self, optimizer=None, **kwargs):
        """Return a new compiled learner, with the same weights each time."""
        return self.compile(self.build(), optimizer, **kwargs)

    def episodes(self, batches=2, seed=0):
        """Return a dataset of meta-batches of two tasks."""
        generator = np.random.default_rng(seed)
        labels = np.repeat(np.arange(3, dtype="int32"), 2)
        y = np.tile(labels, (batches, 2, 1))
        middles = generator.normal(size=(batches, 2, 3, 4))[:, :, labels]
        x, query_x = (
            (middles + 0.3 * generator.normal(size=middles.shape)).astype(
                "float32"
            )
            for _ in range(2)
        )
        query_y = y
        if not self.has_network:
            y, query_y = np.sin(x[..., :1]), np.sin(query_x[..., :1])
        data = {"support_x": x, "support_y": y, "query_x": query_x}
        return tf.data.Dataset.from_tensor_slices((data, query_y))


def pytest_generate_tests(metafunc):
    if "family" not in metafunc.fixturenames:
        return
    quick = metafunc.module.QUICK[metafunc.function.__name__]
    metafunc.parametrize(
        "family",
        [
            pytest.param(
                Family(name),
                id=name,
                marks=() if name in quick else pytest.mark.slow,
            )
            for name in FAMILIES
        ],
    )


@pytest.fixture
def float64():
    """Make all that the test builds compute in double precision."""
    with double_precision():
        yield


@pytest.fixture
def weights_of():
    """Return a function that puts all trainable weights into one vector."""
    return lambda learner: np.concatenate(
        [np.ravel(v) for v in learner.trainable_variables]
    )
