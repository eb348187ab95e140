import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km
from kerasmeta.ops.absent_classes import rule_out

GENERATOR = np.random.default_rng(0)
LABELS = np.array([0, 2, 1, 2])
LOGITS = GENERATOR.normal(size=(4, 3)).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype("float64")))


def squared_error(logits, label):
    return np.sum((sigmoid(logits) - np.eye(len(logits))[label]) ** 2)


def crossentropy(logits, label):
    scores = sigmoid(logits)
    others = np.delete(scores, label)
    return -np.log(scores[label]) - np.log(1 - others).sum()


LOSSES = [
    (km.losses.RelationMeanSquaredError, squared_error),
    (km.losses.RelationBinaryCrossentropy, crossentropy),
]


@pytest.mark.parametrize("loss, formula", LOSSES)
@pytest.mark.parametrize("labels", [LABELS, LABELS[:, None]])
def test_formula(loss, formula, labels):
    each = [formula(*pair) for pair in zip(LOGITS, LABELS)]
    np.testing.assert_allclose(
        loss(reduction="none")(labels, LOGITS), each, rtol=1e-5
    )
    np.testing.assert_allclose(loss()(labels, LOGITS), np.mean(each), rtol=1e-5)


@pytest.mark.parametrize("loss, formula", LOSSES)
def test_weights_of_queries(loss, formula):
    weights = np.array([1.0, 0.0, 2.0, 0.5])
    each = [formula(*pair) for pair in zip(LOGITS, LABELS)]
    received = loss()(LABELS, LOGITS, sample_weight=weights)
    np.testing.assert_allclose(received, np.mean(each * weights), rtol=1e-5)


@pytest.mark.parametrize("loss, formula", LOSSES)
@pytest.mark.parametrize("offset", [-300.0, 0.0, 150.0])
def test_absent_classes_add_nothing(loss, formula, offset):
    logits = LOGITS + np.float32(offset)
    wide = np.concatenate([logits, logits[:, :1]], axis=1)
    wide = rule_out(tf.constant(wide), [True, True, True, False])
    np.testing.assert_allclose(
        loss()(LABELS, wide), loss()(LABELS, logits), rtol=1e-6
    )


@pytest.mark.parametrize("loss, formula", LOSSES)
def test_is_serialized(loss, formula):
    config = keras.losses.serialize(loss(reduction="sum"))
    copy = keras.losses.deserialize(config)
    assert type(copy) is loss
    assert copy.reduction == "sum"
    np.testing.assert_array_equal(
        copy(LABELS, LOGITS), loss(reduction="sum")(LABELS, LOGITS)
    )
