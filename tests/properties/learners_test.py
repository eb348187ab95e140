"""What is true of every inductive learner, whatever the task."""

import dataclasses
import functools
import math
from collections.abc import Callable

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

import kerasmeta as km

learners = km.learners
MOST_WAYS = 4
SHAPES = [(1,), (3,), (2, 2)]
CROSSENTROPY = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
STEPS = {"inner_learning_rate": 0.1, "inner_steps": 2}


def flatten(shape):
    """A backbone whose embeddings are the examples."""
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten()])


def network(shape, outputs=MOST_WAYS):
    return keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(5, "tanh"),
            keras.layers.Dense(outputs),
        ]
    )


@dataclasses.dataclass(frozen=True)
class Row:
    """A learner, and what it promises.

    Args:
        build: Function of the shape of an example that makes the learner.
        renames: Whether other numbers for the classes only renumber scores.
        reorders: Whether the order of the support examples is the same to it.
        is_classifier: Whether targets are classes.
    """

    build: Callable
    renames: bool = True
    reorders: bool = True
    is_classifier: bool = True


def head(learner):
    return Row(lambda shape: learner(flatten(shape)))


def gradient(learner, **arguments):
    def build(shape):
        loss = {"inner_loss": CROSSENTROPY}
        return learner(network(shape), **{**loss, **STEPS, **arguments})

    return Row(build, renames=False)


def memory(learner, reorders=False, **arguments):
    return Row(
        lambda shape: learner(network(shape), ways=MOST_WAYS, **arguments),
        renames=False,
        reorders=reorders,
    )


def process(learner, **arguments):
    return Row(
        lambda shape: learner(math.prod(shape), width=6, **arguments),
        renames=False,
        is_classifier=False,
    )


QUICK = {
    "ProtoNet": head(learners.ProtoNet),
    "NearestNeighbour": head(learners.NearestNeighbour),
    "SimpleShot": head(learners.SimpleShot),
    "MatchingNetworks": head(learners.MatchingNetworks),
    "R2D2": head(learners.R2D2),
    "MahalanobisNet": head(learners.MahalanobisNet),
    "MAML": gradient(learners.MAML),
    "ConditionalNeuralProcess": process(learners.ConditionalNeuralProcess),
}
ROWS = {
    **QUICK,
    "LRD2": head(learners.LRD2),
    "BaselinePlusPlus": head(
        functools.partial(learners.BaselinePlusPlus, steps=3)
    ),
    "ANIL": gradient(learners.ANIL),
    "BOIL": gradient(learners.BOIL),
    "MetaSGD": gradient(learners.MetaSGD),
    "Reptile": gradient(learners.Reptile),
    "IMAML": gradient(learners.IMAML, cg_steps=2),
    "ABML": gradient(
        learners.ABML, samples=2, initial_deviation=0.3, from_logits=True
    ),
    "ProtoMAML": dataclasses.replace(
        gradient(learners.ProtoMAML), renames=True
    ),
    "NeuralProcess": process(learners.NeuralProcess, latent_size=2, samples=2),
    "AttentiveNeuralProcess": process(
        learners.AttentiveNeuralProcess, latent_size=2, heads=2, samples=2
    ),
    "TransformerNeuralProcess": process(
        learners.TransformerNeuralProcess, blocks=1, heads=2
    ),
    "InContextTransformer": memory(
        learners.InContextTransformer,
        reorders=True,
        blocks=1,
        width=4,
        heads=2,
        hidden_units=4,
    ),
    "RecurrentNetwork": memory(learners.RecurrentNetwork, units=4),
    "MANN": memory(learners.MANN, units=4, slots=3, slot_size=2, heads=1),
    "MetaNetworks": memory(
        learners.MetaNetworks, units=4, meta_units=3, steps=2
    ),
    "SNAIL": memory(
        learners.SNAIL, support_size=16, filters=3, key_sizes=(3, 3, 3)
    ),
}


@functools.cache
def make(name, shape):
    keras.utils.set_random_seed(0)
    return ROWS[name].build(shape)


@dataclasses.dataclass
class Task:
    """A support set with any number of shots a class, queries and padding."""

    support_x: np.ndarray
    labels: np.ndarray
    query_x: np.ndarray
    padding: int
    dtypes: dict
    generator: np.random.Generator


@st.composite
def tasks(draw):
    shots = draw(st.lists(st.integers(1, 3), min_size=2, max_size=MOST_WAYS))
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    labels = generator.permutation(np.repeat(np.arange(len(shots)), shots))
    shape = draw(st.sampled_from(SHAPES))
    kinds = {
        "x": ["float32", "float64", "float16", "int32"],
        "labels": ["int32", "int64", "uint8"],
        "targets": ["float32", "float64"],
        "mask": ["bool", "int32", "float32"],
    }

    def examples(count):
        # Numbers that all of the dtypes can hold.
        return generator.integers(-8, 9, [count, *shape]).astype("float32")

    return Task(
        examples(len(labels)),
        labels.astype("int32"),
        examples(draw(st.integers(1, 4))),
        draw(st.integers(0, 3)),
        {name: draw(st.sampled_from(kind)) for name, kind in kinds.items()},
        generator,
    )


def solve(learner, support_x, support_y, query_x, mask=None):
    state = learner.adapt(support_x, support_y, mask)
    return learner.predict_query(state, query_x).numpy()


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def padded(array, task, order):
    """Return an array with padding of any values, in another order."""
    noise = np.full([task.padding, *array.shape[1:]], np.nan)
    if array.dtype.kind != "f":
        noise = task.generator.choice(array.ravel(), noise.shape)
    return np.concatenate([array, noise.astype(array.dtype)])[order]


def check_padding(learner, task, support, query, expected, reorders):
    """Padding is as if it was not there, alone and in a meta-batch."""
    is_real, orders = [], []
    for count in (len(support[0]), len(query)):
        order = np.arange(count + task.padding)
        if reorders:
            order = task.generator.permutation(order)
        orders.append(order)
        is_real.append(order < count)
    x, y = (padded(array, task, orders[0]) for array in support)
    masks = [real.astype(task.dtypes["mask"]) for real in is_real]
    assert_close(solve(learner, x, y, query, masks[0]), expected)
    episodes = {
        "support_x": x,
        "support_y": y,
        "query_x": padded(query, task, orders[1]),
        "support_mask": masks[0],
        "query_mask": masks[1],
    }
    predictions = learner({k: v[None] for k, v in episodes.items()})
    real = orders[1][is_real[1]]
    assert_close(predictions[0].numpy()[is_real[1]], expected[real])


def check_learner(name, task):
    row, shape = ROWS[name], task.support_x.shape[1:]
    learner = make(name, shape)
    x, y, query = task.support_x, task.labels, task.query_x
    if not row.is_classifier:
        x, query = (t.reshape(len(t), -1) / 8 for t in (x, query))
        y = np.sin(x[:, :1] + y[:, None]).astype("float32")
    scores = solve(learner, x, y, query)
    width = {True: y.max() + 1, False: MOST_WAYS}[row.renames]
    assert scores.shape == (len(query), width if row.is_classifier else 2)
    assert scores.dtype == "float32" and np.isfinite(scores).all()
    # Other dtypes of the same numbers: the same.
    kind = task.dtypes["x" if row.is_classifier else "targets"]
    support = (
        x.astype(kind),
        y.astype(task.dtypes["labels" if row.is_classifier else "targets"]),
    )
    assert_close(solve(learner, *support, query.astype(kind)), scores)
    check_padding(
        learner, task, support, query.astype(kind), scores, row.reorders
    )
    # A query alone: the same.
    assert_close(solve(learner, x, y, query[-1:]), scores[-1:])
    if row.reorders:
        order = task.generator.permutation(len(y))
        assert_close(solve(learner, x[order], y[order], query), scores)
    if row.renames:
        # Other numbers for the classes: the same numbers for the scores.
        order = task.generator.permutation(width).astype("int32")
        renamed = solve(learner, x, order[y], query)
        assert_close(renamed[:, order], scores)


@pytest.mark.parametrize(
    "name",
    [
        n if n in QUICK else pytest.param(n, marks=pytest.mark.slow)
        for n in ROWS
    ],
)
@given(task=tasks())
def test_learners(name, task):
    check_learner(name, task)


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK)
@given(task=tasks())
@settings(settings.get_profile("many"))
def test_learners_on_many_tasks(name, task):
    check_learner(name, task)
