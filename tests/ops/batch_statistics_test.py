import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km


@pytest.fixture
def layer():
    layer = keras.layers.BatchNormalization()
    layer.build((None, 3))
    return layer


X = np.random.default_rng(0).normal(3, 2, size=(50, 3)).astype("float32")


@pytest.mark.parametrize(
    "use, training, by_batch",
    [
        (None, False, False),
        (None, True, True),
        (True, False, True),
        (False, True, False),
    ],
)
def test_the_switch_decides(layer, use, training, by_batch):
    with km.ops.batch_statistics(use):
        outputs = np.asarray(layer(X, training=training))
    assert (abs(outputs.mean()) < 1e-3) == by_batch


def test_dropout_follows_training_and_not_the_switch():
    dropout = keras.layers.Dropout(0.5)
    with km.ops.batch_statistics(True):
        np.testing.assert_array_equal(dropout(X, training=False), X)


def test_scopes_nest(layer):
    with km.ops.batch_statistics(True):
        with km.ops.batch_statistics(False):
            assert abs(np.asarray(layer(X)).mean()) > 1
        assert abs(np.asarray(layer(X)).mean()) < 1e-3
    assert abs(np.asarray(layer(X)).mean()) > 1


def test_frozen_layers_keep_their_statistics(layer):
    layer.trainable = False
    with km.ops.batch_statistics(True):
        assert abs(np.asarray(layer(X)).mean()) > 1


def test_other_threads_are_not_affected(layer):
    received = []
    thread = threading.Thread(
        target=lambda: received.append(np.asarray(layer(X)).mean())
    )
    with km.ops.batch_statistics(True):
        thread.start()
        thread.join()
    assert abs(received[0]) > 1


def test_a_batch_of_padding_changes_nothing(layer):
    layer.moving_mean.assign([1.0, 2.0, 3.0])
    expected = layer(X)
    with km.ops.batch_statistics(True, tf.zeros([50], "bool")):
        outputs = layer(X)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, [1, 2, 3])
    np.testing.assert_allclose(layer.moving_variance, [1, 1, 1])
