import math

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

Stopping = km.callbacks.EpisodicEarlyStopping


def learner(*metrics):
    keras.utils.set_random_seed(0)
    made = km.learners.ProtoNet(km.backbones.mlp((2,), 3, units=(4,)), ways=2)
    made.compile(
        keras.optimizers.SGD(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=list(metrics),
    )
    return made


def episodes(tasks=3):
    generator = np.random.default_rng(0)
    y = np.tile(np.array([0, 1, 0, 1], "int32"), (tasks, 1))
    support_x, query_x = generator.normal(size=(2, tasks, 4, 2))
    x = {
        "support_x": support_x.astype("float32"),
        "support_y": y,
        "query_x": query_x.astype("float32"),
    }
    return tf.data.Dataset.from_tensors((x, y))


def run(stopping, values):
    """Return the epochs seen of `(metric, half-width)`, one an epoch."""
    stopping.set_model(keras.Sequential())
    stopping.model.stop_training = False
    stopping.on_train_begin()
    for epoch, (value, half_width) in enumerate(values):
        name = stopping.monitor
        logs = {name: value, f"{name}_ci95": half_width}
        stopping.on_epoch_end(epoch, logs)
        if stopping.model.stop_training:
            break
    return epoch + 1


@pytest.mark.parametrize(
    "monitor, sign", [("val_accuracy", 1), ("val_mse", -1)]
)
def test_the_pessimistic_bound_decides(monitor, sign):
    """The mean improves, by easy tasks; what it is at least does not."""
    mode = "max" if sign > 0 else "min"
    values = [(sign * 0.5, 0.1), (sign * 0.6, 0.25), (sign * 0.7, 0.35)]
    stopping = Stopping(monitor, patience=2, mode=mode)
    assert run(stopping, [*values, (0, 0)]) == 3
    assert stopping.best == pytest.approx(sign * 0.4)
    narrow = [(value, 0.1) for value, _ in values]
    assert run(Stopping(monitor, patience=2, mode=mode), narrow) == 3
    better = Stopping(monitor, patience=2, mode=mode)
    run(better, narrow)
    assert better.best == pytest.approx(sign * 0.6)


def test_min_delta_is_of_the_bound():
    values = [(0.5, 0.1), (0.55, 0.1), (0.6, 0.1), (0.8, 0.1)]
    stopping = Stopping(patience=3, min_delta=0.08, mode="max")
    assert run(stopping, values) == 4
    assert stopping.best == pytest.approx(0.7)


def test_best_weights_come_back():
    made, path = learner("accuracy"), []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: path.append(made.get_weights())
    )
    stopping = Stopping(min_delta=2.0, patience=2, restore_best_weights=True)
    history = made.fit(
        episodes(),
        epochs=9,
        validation_data=episodes(),
        verbose=0,
        callbacks=[watch, stopping],
    ).history
    assert len(path) == 3
    bound = history["val_accuracy"][0] - history["val_accuracy_ci95"][0]
    assert stopping.best == pytest.approx(bound)
    assert any(np.any(a != b) for a, b in zip(path[0], path[2]))
    for received, best in zip(made.get_weights(), path[0]):
        np.testing.assert_array_equal(received, best)


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("spoiled", [math.nan, math.inf, -math.inf])
def test_a_spoiled_epoch_is_no_improvement(mode, spoiled):
    spoiled = (spoiled, math.nan)
    sign = 1 if mode == "max" else -1
    values = [(sign * 0.5, 0.1), (sign * 0.6, 0.1)]
    stopping = Stopping(patience=2, mode=mode)
    assert run(stopping, [spoiled, values[0], spoiled, values[1]]) == 4
    assert stopping.best == pytest.approx(sign * 0.5)
    assert run(stopping, [values[0], spoiled, spoiled, values[1]]) == 3


@pytest.mark.parametrize(
    "logs",
    [
        {"val_accuracy": 0.5},
        {"val_accuracy": 0.5, "val_accuracy_ci95": math.nan},
        {"val_accuracy": math.nan},
    ],
)
def test_metrics_without_interval(logs):
    stopping = Stopping(mode="max")
    stopping.on_train_begin()
    with pytest.raises(ValueError, match="a metric with an interval"):
        stopping.on_epoch_end(0, logs)


def test_epochs_without_validation_are_passed_over():
    stopping = Stopping(mode="max")
    stopping.on_train_begin()
    with pytest.warns(UserWarning, match="val_accuracy"):
        stopping.on_epoch_end(0, {"loss": 1.0})
    assert stopping.best is None
