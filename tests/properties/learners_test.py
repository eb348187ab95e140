"""What is true of every inductive head, whatever the task."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

import kerasmeta as km

FEATURES = 3
LEARNERS = {
    "ProtoNet": km.learners.ProtoNet,
    "NearestNeighbour": km.learners.NearestNeighbour,
    "SimpleShot": km.learners.SimpleShot,
    "MatchingNetworks": km.learners.MatchingNetworks,
    "R2D2": km.learners.R2D2,
    "MahalanobisNet": km.learners.MahalanobisNet,
}


def identity():
    """A backbone whose embeddings are the examples."""
    x = keras.Input((FEATURES,))
    return keras.Model(x, keras.layers.Activation("linear")(x))


@pytest.fixture(scope="module", params=LEARNERS)
def learner(request):
    return LEARNERS[request.param](identity())


@st.composite
def tasks(draw):
    """Return a support set with any number of shots a class, and queries."""
    shots = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    generator = np.random.default_rng(draw(st.integers(0, 2**31)))
    labels = generator.permutation(np.repeat(np.arange(len(shots)), shots))
    support = generator.normal(size=(len(labels), FEATURES))
    query = generator.normal(size=(draw(st.integers(1, 4)), FEATURES))
    return (
        support.astype("float32"),
        labels.astype("int32"),
        query.astype("float32"),
        generator,
    )


def solve(learner, support_x, support_y, query_x, mask=None):
    state = learner.adapt(support_x, support_y, mask)
    return learner.predict_query(state, query_x)


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def check_learner(learner, task):
    support, labels, query, generator = task
    ways = labels.max() + 1
    scores = solve(learner, support, labels, query)
    assert scores.shape == (len(query), ways) and scores.dtype == "float32"
    scores = scores.numpy()
    assert np.isfinite(scores).all()
    # Other numbers for the classes: the same numbers for the scores.
    order = generator.permutation(ways).astype("int32")
    renamed = solve(learner, support, order[labels], query)
    assert_close(renamed.numpy()[:, order], scores)
    # Another order of the examples: the same.
    order = generator.permutation(len(labels))
    assert_close(solve(learner, support[order], labels[order], query), scores)
    # Padding, whatever stands there: the same.
    real = np.array([True] * len(labels) + [False] * 2)
    noise = 100 * generator.normal(size=(2, FEATURES)).astype("float32")
    padded = np.concatenate([support, noise])
    padded_labels = np.concatenate([labels, labels[:2]])
    order = generator.permutation(len(real))
    masked = (padded[order], padded_labels[order], query, real[order])
    assert_close(solve(learner, *masked), scores)
    # A query alone: the same.
    assert_close(solve(learner, support, labels, query[-1:]), scores[-1:])


@given(task=tasks())
def test_heads(learner, task):
    check_learner(learner, task)


@pytest.mark.slow
@given(task=tasks())
@settings(settings.get_profile("many"))
def test_heads_on_many_tasks(learner, task):
    check_learner(learner, task)
