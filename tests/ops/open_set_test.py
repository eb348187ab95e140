import numpy as np
import pytest
import scipy.special
import tensorflow as tf
from sklearn.metrics import roc_auc_score

import kerasmeta as km

GENERATOR = np.random.default_rng(0)


def test_scores():
    logits = GENERATOR.normal(size=(3, 5, 4))
    shares = scipy.special.softmax(logits, axis=-1)
    expected = {
        "max_probability": -scipy.special.logit(shares.max(axis=-1)),
        "max_logit": -logits.max(axis=-1),
        "energy": -scipy.special.logsumexp(logits, axis=-1),
        "entropy": scipy.special.entr(shares).sum(axis=-1),
    }
    for score, values in expected.items():
        received = km.ops.open_set_scores(logits, score)
        np.testing.assert_allclose(received, values, rtol=1e-10)


def test_the_largest_probability_does_not_saturate():
    """Negative squared distances of hundreds: in float32 each is 1."""
    logits = -(GENERATOR.uniform(0, 30, size=(200, 5)) ** 2).astype("float32")
    is_foreign = GENERATOR.uniform(size=200) < 0.4
    shares = scipy.special.log_softmax(logits.astype("float64"), axis=-1)
    others = np.sort(shares, axis=-1)[:, :-1]
    exact = scipy.special.logsumexp(others, axis=-1) - shares.max(axis=-1)
    area = km.ops.auroc(
        km.ops.open_set_scores(tf.constant(logits)), is_foreign, np.ones(200)
    )
    assert float(area) == pytest.approx(roc_auc_score(is_foreign, exact))


def test_one_class_ties():
    scores = km.ops.open_set_scores(tf.constant([[3.0], [-200.0]]))
    assert float(scores[0]) == float(scores[1])


def test_an_unknown_score():
    with pytest.raises(ValueError, match="score='margin'"):
        km.ops.open_set_scores(tf.zeros([2, 3]), "margin")


def test_auroc_is_that_of_scikit_learn():
    scores = GENERATOR.integers(0, 6, size=(4, 20)) / 4  # With ties.
    is_positive = GENERATOR.uniform(size=(4, 20)) < 0.4
    weights = GENERATOR.integers(0, 3, size=(4, 20)).astype("float64")
    received = km.ops.auroc(tf.constant(scores), is_positive, weights)
    for i in range(4):
        expected = roc_auc_score(
            is_positive[i], scores[i], sample_weight=weights[i]
        )
        assert float(received[i]) == pytest.approx(expected, abs=1e-12)


def test_auroc_of_nan_is_nan_where_it_is_no_padding():
    scores = tf.constant([[0.3, 0.2, np.nan]] * 2)
    weights = tf.constant([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    areas = km.ops.auroc(scores, [[True, False, True]] * 2, weights)
    np.testing.assert_array_equal(areas, [1.0, np.nan])


def test_auroc_of_one_kind_is_unknown():
    area = km.ops.auroc(tf.zeros([3]), [True] * 3, tf.ones([3]))
    assert np.isnan(area)
