import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import kerasmeta as km

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(3, 12, 4)).astype("float32")
LABELS = np.tile(np.arange(12) % 6 - 2, (3, 1))  # -2 and -1 are foreign.


def reference(logits, labels, keep=slice(None)):
    powers = np.exp(logits)
    scores = -(powers / powers.sum(axis=-1, keepdims=True)).max(axis=-1)
    return roc_auc_score(labels[keep] < 0, scores[keep])


def test_is_the_mean_over_episodes():
    metric = km.metrics.OpenSetAUROC()
    metric.update_state(LABELS[:2], LOGITS[:2])
    metric.update_state(LABELS[2], LOGITS[2])
    expected = [reference(*episode) for episode in zip(LOGITS, LABELS)]
    assert float(metric.result()) == pytest.approx(np.mean(expected))


def test_padding_does_not_count():
    metric = km.metrics.OpenSetAUROC()
    weights = np.arange(12) < 7
    metric.update_state(LABELS[:1], LOGITS[:1], weights[None])
    expected = reference(LOGITS[0], LABELS[0], weights)
    assert float(metric.result()) == pytest.approx(expected)


def test_episodes_of_one_kind_are_left_out():
    metric = km.metrics.OpenSetAUROC("energy")
    assert np.isnan(metric.result())
    metric.update_state(np.zeros((2, 12), "int32"), LOGITS[:2])
    assert np.isnan(metric.result())
    metric.update_state(LABELS[0], LOGITS[0])
    assert 0 <= float(metric.result()) <= 1


def test_logits_of_nan_are_no_episode_of_one_kind():
    metric = km.metrics.OpenSetAUROC()
    logits = LOGITS.copy()
    logits[1, 3] = np.nan
    metric.update_state(LABELS, logits)
    assert np.isnan(metric.result())


def test_is_serialised():
    metric = km.metrics.OpenSetAUROC("entropy", name="foreign")
    config = keras.saving.serialize_keras_object(metric)
    copy = keras.saving.deserialize_keras_object(config)
    assert (copy.score, copy.name) == ("entropy", "foreign")
