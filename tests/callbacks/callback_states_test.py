"""The state of callbacks is what training changed, and nothing else."""

import json

import keras
import numpy as np
import pytest

import kerasmeta as km
from kerasmeta.callbacks.callback_states import CallbackStates


def trained():
    stopping = keras.callbacks.EarlyStopping("loss", patience=3)
    history = keras.callbacks.History()
    callbacks = [stopping, history, keras.callbacks.EarlyStopping("mae")]
    for callback in callbacks:
        callback.on_train_begin()
    return callbacks


def test_what_training_changed_comes_back():
    old = trained()
    states = CallbackStates(old)
    old[0].wait, old[0].best, old[0].min_delta = 2, np.float32(0.5), -1
    old[0].best_weights = [np.arange(3.0), np.ones([2, 2])]
    old[1].history = {"loss": [1.0, float("nan")]}
    old[2].wait = 1
    plain, arrays = states.get()
    assert not any("patience" in k or "min_delta" in k for k in plain)
    new = trained()
    new[0].patience = 5
    CallbackStates(new).set(json.loads(json.dumps(plain)), arrays)
    assert (new[0].wait, new[0].best, new[0].patience) == (2, 0.5, 5)
    assert new[2].wait == 1
    np.testing.assert_array_equal(new[0].best_weights[0], [0, 1, 2])
    np.testing.assert_array_equal(new[1].history["loss"], [1.0, np.nan])


def test_a_history_that_grew_in_place_is_seen():
    callbacks = trained()
    states = CallbackStates(callbacks)
    callbacks[1].epoch.append(0)
    assert states.get()[0] == {"History/0/epoch": "[0]"}


def test_arguments_of_a_base_are_arguments():
    stopping = km.callbacks.EpisodicEarlyStopping(min_delta=0.1, patience=3)
    states = CallbackStates([stopping])
    stopping.min_delta, stopping.wait = -0.1, 1
    name = "EpisodicEarlyStopping/0/wait"
    assert states.get() == ({name: "1"}, {})


def test_the_history_of_a_vector_comes_back():
    callbacks = trained()
    states = CallbackStates(callbacks)
    callbacks[1].history = {"f1": [np.float32([0.5, 1]), np.float32([1, 0])]}
    plain, arrays = states.get()
    assert not arrays
    callbacks[1].history = {}
    states.set(plain, arrays)
    assert callbacks[1].history == {"f1": [[0.5, 1], [1, 0]]}


def test_a_callback_that_is_gone_is_told():
    with pytest.warns(UserWarning, match="'wait' of the callback 'Gone/0'"):
        CallbackStates([]).set({"Gone/0/wait": "1"}, {})
