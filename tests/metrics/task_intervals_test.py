import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasmeta as km

GENERATOR = np.random.default_rng(0)


def test_interval_is_that_of_numpy():
    values = GENERATOR.uniform(size=(7, 4)).astype("float32")
    metric = km.metrics.TaskIntervals()
    for batch in values:
        metric.update_state({"accuracy": batch})
    expected = 1.959964 * values.std(ddof=1) / np.sqrt(values.size)
    received = float(metric.result()["accuracy_ci95"])
    assert received == pytest.approx(expected, rel=1e-6)


def test_large_values_do_not_cancel():
    values = np.array([1e6, 1e6 + 1, 1e6 + 2], "float32")
    metric = km.metrics.TaskIntervals()
    metric.update_state({"loss": values})
    expected = 1.959964 / np.sqrt(3)
    assert float(metric.result()["loss_ci95"]) == pytest.approx(
        expected, rel=1e-5
    )


def test_one_task_has_no_interval():
    metric = km.metrics.TaskIntervals()
    metric.update_state({"accuracy": [0.5]})
    assert np.isnan(metric.result()["accuracy_ci95"])


def test_reset_forgets():
    metric = km.metrics.TaskIntervals()
    metric.update_state({"accuracy": [0.0, 1.0]})
    metric.reset_state()
    metric.update_state({"accuracy": [0.5, 0.5, 0.5]})
    assert metric.result()["accuracy_ci95"] == 0


class Constant(km.learners.MetaLearner):
    """Predicts `query_x`, so that tests know every metric."""

    def adapt(self, support_x, support_y, support_mask=None, training=False):
        return []

    def predict_query(self, state, query_x, training=False):
        return query_x


def test_tasks_that_spoil_a_metric_are_counted():
    """The metric is NaN, as in Keras, and `evaluate` says of how many tasks."""
    values = np.zeros([4, 3, 1], "float32")
    values[1] = np.nan
    x = {name: values for name in ("support_x", "support_y", "query_x")}
    x = {**x, "support_x": np.zeros_like(values)}
    data = tf.data.Dataset.from_tensor_slices((x, np.zeros_like(values)))
    learner = Constant()
    learner.compile(loss="mse", metrics=["mse"])
    # What is checked before is that the first meta-batch holds no NaN.
    with pytest.warns(UserWarning, match="`mse` is NaN or infinite for 1 of 4"):
        logs = learner.evaluate(data.batch(1), verbose=0, return_dict=True)
    assert np.isnan(logs["mse"]) and np.isnan(logs["mse_ci95"])


def test_tasks_without_queries_that_count_are_left_out():
    scores = np.eye(3, dtype="float32")[[[0, 1, 2]] * 4]
    labels = np.array([[0, 1, 2], [0, 2, 1], [-1, -1, -1], [0, 1, -1]], "int32")
    x = {"support_x": scores, "support_y": labels * 0, "query_x": scores}
    learner = Constant()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile(loss=loss, metrics=["accuracy"])
    logs = learner.test_on_batch(x, labels, return_dict=True)
    values = [1, 1 / 3, 1]
    expected = 1.959964 * np.std(values, ddof=1) / np.sqrt(3)
    assert logs["accuracy_ci95"] == pytest.approx(expected, rel=1e-4)
    assert logs["accuracy"] == pytest.approx(6 / 8)


@pytest.mark.parametrize("num_episodes, batch_size", [(8, 4), (7, 4), (5, 1)])
@pytest.mark.parametrize("weighted", [False, True])
def test_evaluate_gives_one_value_a_task(num_episodes, batch_size, weighted):
    scores = GENERATOR.uniform(size=(num_episodes, 6, 3)).astype("float32")
    labels = GENERATOR.integers(0, 3, size=(num_episodes, 6)).astype("int32")
    weights = GENERATOR.uniform(size=(num_episodes, 6)).astype("float32")
    x = {
        "support_x": scores,
        "support_y": np.tile(
            np.arange(6, dtype="int32") % 3, (num_episodes, 1)
        ),
        "query_x": scores,
    }
    elements = (x, labels, weights) if weighted else (x, labels)
    data = tf.data.Dataset.from_tensor_slices(elements).batch(batch_size)
    learner = Constant()
    metric = {"weighted_metrics" if weighted else "metrics": ["accuracy"]}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learner.compile(loss=loss, **metric)
    logs = learner.evaluate(data, return_dict=True, verbose=0)
    right = (scores.argmax(-1) == labels).astype(float)
    weights = weights if weighted else np.ones_like(weights)
    tasks = (right * weights).sum(1) / weights.sum(1)
    expected = 1.959964 * tasks.std(ddof=1) / np.sqrt(num_episodes)
    assert logs["accuracy_ci95"] == pytest.approx(expected, rel=1e-4)
    pooled = (right * weights).sum() / weights.sum()
    assert logs["accuracy"] == pytest.approx(pooled, rel=1e-4)
    values = learner.evaluate(data, verbose=0)
    assert values == pytest.approx(
        [logs["loss"], logs["accuracy"], logs["accuracy_ci95"]]
    )


@pytest.mark.parametrize("num_episodes", [4, 5])  # Static and dynamic tasks.
def test_vectors_have_no_interval(num_episodes):
    scores = GENERATOR.uniform(size=(num_episodes, 6, 3)).astype("float32")
    labels = np.eye(3, dtype="float32")[
        GENERATOR.integers(0, 3, size=(num_episodes, 6))
    ]
    x = {"support_x": scores, "support_y": labels, "query_x": scores}
    data = tf.data.Dataset.from_tensor_slices((x, labels)).batch(4)
    learner = Constant()
    metrics = ["accuracy", keras.metrics.F1Score(average=None)]
    learner.compile(loss="mse", metrics=metrics)
    logs = learner.evaluate(data, return_dict=True, verbose=0)
    assert logs["f1_score"].shape == (3,)
    assert "f1_score_ci95" not in logs
    assert logs["accuracy_ci95"] > 0
