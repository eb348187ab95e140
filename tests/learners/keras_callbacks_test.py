"""Keras' callbacks, with a learner of every family."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf

QUICK = {
    "test_early_stopping": ["latent process"],
    "test_checkpoint_of_weights": ["metric"],
    "test_checkpoint_of_the_model": ["baseline"],
    "test_reduce_learning_rate": ["metric"],
    "test_csv_logger": ["transductive"],
    "test_tensorboard": ["closed form"],
    "test_terminate_on_nan": ["metric"],
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


def test_checkpoint_of_weights(family, tmp_path):
    path, data = tmp_path / "learner.weights.h5", family.episodes(1)
    learner = family.learner()
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_weights_only=True)
    learner.fit(data, verbose=0, callbacks=[checkpoint])
    other = family.learner()
    other.load_weights(path)
    np.testing.assert_allclose(
        other.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_checkpoint_of_the_model(family, tmp_path, weights_of):
    """The file predicts the same, and training goes on from it."""
    path, data = tmp_path / "learner.keras", family.episodes(1)
    learner = family.learner(keras.optimizers.Adam(0.01))
    learner.fit(
        data, verbose=0, callbacks=[keras.callbacks.ModelCheckpoint(path)]
    )
    loaded = keras.models.load_model(path)
    np.testing.assert_allclose(
        loaded.predict(data, verbose=0),
        learner.predict(data, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )
    for one in (learner, loaded):
        one.fit(data, verbose=0)
    np.testing.assert_allclose(
        weights_of(loaded), weights_of(learner), rtol=1e-4, atol=1e-6
    )


def test_reduce_learning_rate(family):
    learner = family.learner()
    plateau = keras.callbacks.ReduceLROnPlateau(
        "loss", factor=0.5, patience=1, min_delta=1e9
    )
    history = learner.fit(
        family.episodes(1), epochs=3, verbose=0, callbacks=[plateau]
    ).history
    np.testing.assert_allclose(history["learning_rate"], [0.1, 0.1, 0.05])
    assert float(learner.optimizer.learning_rate) == pytest.approx(0.025)


def test_csv_logger(family, tmp_path):
    path, data = tmp_path / "log.csv", family.episodes(1)
    history = (
        family.learner()
        .fit(
            data,
            epochs=2,
            validation_data=data,
            verbose=0,
            callbacks=[keras.callbacks.CSVLogger(path)],
        )
        .history
    )
    with open(path) as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"epoch", *history}
    for name, values in history.items():
        np.testing.assert_allclose([float(r[name]) for r in rows], values)


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


def test_tensorboard(family, tmp_path):
    pytest.importorskip("tensorboard")
    data = family.episodes(1)
    history = (
        family.learner()
        .fit(
            data,
            epochs=2,
            validation_data=data,
            verbose=0,
            callbacks=[keras.callbacks.TensorBoard(tmp_path, histogram_freq=1)],
        )
        .history
    )
    train = numbers_in(tmp_path / "train")
    validation = numbers_in(tmp_path / "validation")
    for name, values in history.items():
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
