"""Arguments of training mean the same by position and by name."""

import inspect
import warnings

import keras
import numpy as np
import pytest

import kerasmeta as km

FIT = inspect.signature(keras.Model.fit)


@pytest.fixture(scope="module")
def learner():
    made = km.learners.MAML(km.backbones.mlp((1,), 1), inner_steps=1)
    made.compile("sgd", "mse")
    return made


@pytest.fixture(scope="module")
def episodes():
    return km.tasks.Sinusoid(shots=2, queries=2).episodes(2, num_episodes=4)


def positional(**options):
    """Return the arguments of `fit` after `x`, by position up to the last."""
    names = list(FIT.parameters)[2:]
    last = max(names.index(name) for name in options)
    defaults = [FIT.parameters[name].default for name in names]
    given = [options.get(n, d) for n, d in zip(names, defaults)]
    return given[: last + 1]


def test_shuffle_by_position(learner, episodes):
    arguments = positional(verbose=0, shuffle=False)
    assert len(learner.fit(episodes, *arguments).history["loss"]) == 1


def test_checks_see_what_is_given_by_position(learner, episodes):
    with pytest.raises(ValueError, match="class 0 of one task is another"):
        learner.fit(episodes, *positional(class_weight={0: 2.0}))
    with pytest.raises(ValueError, match="Episodes must be"):
        learner.fit(episodes, *positional(validation_data=np.ones([2])))


def test_one_batch_knows_no_classes_either(learner, episodes):
    x, y = next(iter(episodes.take(1)))
    assert learner.train_on_batch(x, y, return_dict=True).keys() == {"loss"}
    for arguments in (
        (x, y, None, {0: 2.0}),
        (x, y, np.ones([2, 2]), {0: 2.0}),
    ):
        with pytest.raises(ValueError, match="class 0 of one task is another"):
            learner.train_on_batch(*arguments)
    with pytest.raises(ValueError, match="class 0 of one task is another"):
        learner.train_on_batch(x, y, class_weight={0: 2.0})


def test_datasets_are_not_shuffled_without_a_warning(learner, episodes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.fit(episodes, verbose=0)


def test_arrays_are_shuffled_as_in_keras(learner, episodes, monkeypatch):
    given = []

    def fit(self, x, y, batch_size=None, verbose="auto", **options):
        given.append(options)

    fit.__signature__ = FIT
    monkeypatch.setattr(keras.Model, "fit", fit)
    x, y = next(iter(episodes.take(1)))
    x = {name: value.numpy() for name, value in x.items()}
    learner.fit(x, y.numpy(), batch_size=1, verbose=0)
    learner.fit(episodes, y=None, verbose=0)
    assert given == [{}, {"shuffle": False}]


def test_learners_that_act_take_shuffle_by_position():
    environment = km.rl.BernoulliBandits(arms=2)
    learner = km.rl.RL2(environment, trial_length=2, units=4)
    learner.compile("sgd")
    trials = environment.trials(2, num_trials=2)
    learner.fit(trials, *positional(verbose=0, shuffle=False))
