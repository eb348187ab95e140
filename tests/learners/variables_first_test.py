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
