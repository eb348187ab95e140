"""Keras' callbacks, with a learner of every family."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

QUICK = {
    "test_early_stopping": ["metric"],
    "test_checkpoints": ["metric"],
    "test_what_watches": ["metric"],
    "test_terminate_on_nan": ["latent process"],
}


def test_early_stopping(family, weights_of):
    """Nothing improves by so much: the first epoch is the best."""
    learner, path = family.learner(), []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: path.append(weights_of(learner))
    )
    stopping = keras.callbacks.EarlyStopping(
        "val_loss", min_delta=1e9, patience=1, restore_best_weights=True
    )
    data = family.episodes(1)
    learner.fit(
        data,
        epochs=5,
        validation_data=data,
        verbose=0,
        callbacks=[watch, stopping],
    )
    assert len(path) == 2 and np.abs(path[1] - path[0]).max() > 1e-4
    np.testing.assert_array_equal(weights_of(learner), path[0])


def test_checkpoints(family, tmp_path, weights_of):
    """Files predict the same, and training goes on from the whole one."""
    weights, whole = tmp_path / "w.weights.h5", tmp_path / "learner.keras"
    data = family.episodes(1)
    learner = family.learner(keras.optimizers.Adam(0.01))
    learner.fit(
        data,
        verbose=0,
        callbacks=[
            keras.callbacks.ModelCheckpoint(weights, save_weights_only=True),
            keras.callbacks.ModelCheckpoint(whole),
        ],
    )
    other, loaded = family.learner(), keras.models.load_model(whole)
    other.load_weights(weights)
    x, _ = next(iter(data))
    for one in (other, loaded):
        np.testing.assert_allclose(one(x), learner(x), rtol=1e-5, atol=1e-6)
    for one in (learner, loaded):
        one.fit(data, verbose=0)
    np.testing.assert_allclose(
        weights_of(loaded), weights_of(learner), rtol=1e-4, atol=1e-6
    )


def numbers_in(folder):
    """Return the scalars of TensorBoard's files, by name."""
    numbers = {}
    for path in folder.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                array = tf.make_ndarray(value.tensor)
                if array.shape == () and array.dtype == "float32":
                    numbers.setdefault(value.tag, []).append(float(array))
    return numbers


def test_what_watches(family, tmp_path):
    """`CSVLogger`, `TensorBoard` and `ReduceLROnPlateau` see the history."""
    pytest.importorskip("tensorboard")
    learner, data = family.learner(), family.episodes(1)
    callbacks = [
        keras.callbacks.ReduceLROnPlateau(
            "loss", factor=0.5, patience=1, min_delta=1e9
        ),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.TensorBoard(tmp_path, histogram_freq=1),
    ]
    history = learner.fit(
        data, epochs=3, validation_data=data, verbose=0, callbacks=callbacks
    ).history
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.1, 0.05])
    assert float(learner.optimizer.learning_rate) == pytest.approx(0.025)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"epoch", *history}
    assert any(name.endswith("_ci95") for name in history)
    train = numbers_in(tmp_path / "train")
    validation = numbers_in(tmp_path / "validation")
    for name, values in history.items():
        np.testing.assert_allclose([float(r[name]) for r in rows], values)
        if name != "learning_rate":
            found = validation if name.startswith("val_") else train
            written = found[f"epoch_{name.removeprefix('val_')}"]
            np.testing.assert_allclose(written, values, rtol=1e-5)


def test_terminate_on_nan(family):
    learner, batches = family.learner(), []
    for variable in learner.trainable_variables:
        variable.assign(np.nan * variable)
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: batches.append(batch)
    )
    learner.fit(
        family.episodes(3),
        epochs=3,
        verbose=0,
        callbacks=[keras.callbacks.TerminateOnNaN(), count],
    )
    assert batches == [0]
