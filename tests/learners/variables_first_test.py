"""Nothing is traced twice because it makes variables."""

import keras
import numpy as np
import pytest

import kerasmeta as km


def learner_with(metrics):
    keras.utils.set_random_seed(0)
    learner = km.learners.MAML(km.backbones.mlp((1,), 1, units=(4,)))
    learner.compile(optimizer="adam", loss="mse", metrics=metrics)
    return learner


def episodes(**kwargs):
    return km.tasks.Sinusoid(shots=3, queries=4).episodes(2, **kwargs)


def counted(learner, name):
    """Count how often a step of the learner is traced."""
    traces = []
    step = getattr(learner, name)

    def counting(data):
        traces.append(1)
        return step(data)

    setattr(learner, name, counting)
    return traces


@pytest.mark.parametrize("metrics", [[], ["mae"]])
def test_fit_and_evaluate_trace_once(metrics):
    learner = learner_with(metrics)
    training = counted(learner, "train_step")
    testing = counted(learner, "test_step")
    data = episodes(num_episodes=4)
    learner.fit(data, validation_data=data, epochs=2, verbose=0)
    learner.evaluate(data, verbose=0)
    assert len(training) == len(testing) == 1


def test_evaluate_alone_traces_once():
    learner = learner_with(["mae"])
    testing = counted(learner, "test_step")
    logs = learner.evaluate(
        episodes(num_episodes=4), return_dict=True, verbose=0
    )
    assert len(testing) == 1
    assert set(logs) == {"loss", "mae", "mae_ci95"}


def test_it_changes_no_result():
    results = []
    for run_eagerly in (False, True):
        learner = learner_with(["mae"])
        # Eagerly nothing is made before the first step.
        learner.run_eagerly = run_eagerly
        learner.fit(episodes(num_episodes=4), epochs=2, verbose=0)
        logs = learner.evaluate(
            episodes(num_episodes=4), return_dict=True, verbose=0
        )
        results.append([*logs.values(), *map(np.sum, learner.get_weights())])
    np.testing.assert_allclose(*results, rtol=1e-4)


class Scaled(km.learners.MetaLearner):
    """A learner of a user, whose layers are built in their first call."""

    def __init__(self):
        super().__init__()
        self.embed = keras.layers.Dense(4)
        self.head = keras.layers.Dense(1)

    def adapt(self, support_x, support_y, support_mask=None, training=False):
        return keras.ops.mean(self.embed(support_x), axis=0)

    def predict_query(self, state, query_x, training=False):
        return self.head(self.embed(query_x) * state)


class LazyError(keras.metrics.Metric):
    """A metric of a user, which has no result before it is updated."""

    total = None

    def update_state(self, y_true, y_pred, sample_weight=None):
        if self.total is None:
            self.total = self.add_weight(name="total", initializer="zeros")
        self.total.assign_add(keras.ops.sum(keras.ops.abs(y_true - y_pred)))

    def result(self):
        return self.total / 2


@pytest.mark.parametrize("metrics", [[], ["mae"]])
def test_layers_that_are_built_in_their_first_call_train(metrics):
    learner = Scaled()
    learner.compile(optimizer="adam", loss="mse", metrics=metrics)
    traces = counted(learner, "train_step")
    learner.fit(episodes(num_episodes=4), epochs=2, verbose=0)
    assert len(learner.trainable_variables) == 4
    assert len(traces) == 1


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_learners_that_are_not_compiled_get_the_message_of_keras(method):
    learner = km.learners.MAML(km.backbones.mlp((1,), 1, units=(4,)))
    with pytest.raises(ValueError, match="must call `compile"):
        getattr(learner, method)(episodes(num_episodes=2), verbose=0)


def test_metrics_without_a_result_before_the_first_update():
    learner = learner_with([LazyError(name="lazy")])
    data = episodes(num_episodes=4)
    learner.fit(data, validation_data=data, verbose=0)
    logs = learner.evaluate(data, return_dict=True, verbose=0)
    assert logs["lazy"] > 0 and logs["lazy_ci95"] > 0
