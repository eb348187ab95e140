"""A strategy that does not train in step is refused, with the reason."""

import pytest
import tensorflow as tf

import kerasmeta as km


@pytest.fixture
def strategy():
    """One without servers, which would have to be started for it."""
    kind = tf.distribute.ParameterServerStrategy
    return kind.__new__(kind)


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_episodes(method, strategy):
    learner = km.learners.MAML(km.backbones.mlp((1,), 1))
    learner.compile("sgd", "mse")
    learner._distribute_strategy = strategy
    episodes = km.tasks.Sinusoid().episodes(2, num_episodes=2)
    with pytest.raises(ValueError, match="Use `tf.distribute.MultiWorker"):
        getattr(learner, method)(episodes)


@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_trials(method, strategy):
    environment = km.rl.BernoulliBandits()
    learner = km.rl.RL2(environment, trial_length=2)
    learner.compile("sgd")
    learner._distribute_strategy = strategy
    with pytest.raises(ValueError, match="Use `tf.distribute.MultiWorker"):
        getattr(learner, method)(environment.trials(2, num_trials=2))
