"""What all embedding learners of the contract table promise."""

import importlib.util
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.learners.embedding_learner import EmbeddingLearner


def contract_rows():
    path = pathlib.Path(__file__).with_name("contract_test.py")
    spec = importlib.util.spec_from_file_location("contract_rows", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ROWS


ROWS = contract_rows()
# A mean over examples, or the nearest of them, does not see copies.
BLIND_TO_COPIES = [
    "ProtoNet",
    "SimpleShot",
    "NearestNeighbour",
    "MatchingNetworks",
    "RelationNetwork",
    "SiameseNetwork",
    "FEAT",
    "CNAPS",
]
# The others take long to trace.
QUICK = ("ProtoNet", "R2D2", "SoftKMeans", "CNAPS")


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in ROWS
    ],
)
def test_the_backbone_is_called_once(name):
    """With all support and query examples of the meta-batch, with padding."""
    learner = ROWS[name]["learner"]()
    if not isinstance(learner, EmbeddingLearner):
        pytest.skip("has no backbone")
    episodes, _ = next(iter(ROWS[name]["episodes"]()))[:2]
    sizes = []
    call = learner.backbone.call

    def counted(x, *args, **kwargs):
        sizes.append(tf.nest.flatten(x)[0].shape[0])
        return call(x, *args, **kwargs)

    learner.backbone.call = counted
    # One step of each loop is traced, and nothing is run.
    tf.function(learner.solve).get_concrete_function(episodes)
    count = episodes["support_x"].shape[1] + episodes["query_x"].shape[1]
    assert sizes == [2 * count]


@pytest.mark.parametrize("name", BLIND_TO_COPIES)
def test_copies_of_shots_change_nothing(name):
    learner = ROWS[name]["learner"]()
    generator = np.random.default_rng(0)
    support, query = generator.normal(size=(2, 6, 8, 8, 1)).astype("float32")
    labels = np.array([0, 1, 2, 0, 1, 1], "int32")

    def solved(copies):
        x = tf.repeat(support, copies, axis=0)
        state = learner.adapt(x, tf.repeat(labels, copies, axis=0))
        return learner.predict_query(state, tf.constant(query))

    np.testing.assert_allclose(solved(3), solved(1), rtol=1e-4, atol=1e-5)
