"""What a learner is trained with."""

import inspect

import keras

from kerasmeta.learners.checks import check_class_weight
from kerasmeta.learners.checks import check_episodes
from kerasmeta.learners.replicas import check_accumulation
from kerasmeta.learners.replicas import check_strategy


def fit_options(learner, *args, **kwargs):
    """Return the arguments of `fit` by name.

    Args:
        learner: `MetaLearner` that is to be trained.
        *args: As for Keras' `fit`.
        **kwargs: As for Keras' `fit`.

    Raises:
        ValueError: If the learner cannot be trained with these.
    """
    options = _by_name(keras.Model.fit, learner, *args, **kwargs)
    check_class_weight(options.get("class_weight"))
    check_strategy(learner)
    check_accumulation(learner)
    check_episodes(learner, options.get("x"))
    if options.get("validation_data") is not None:
        check_episodes(learner, options["validation_data"])
    return options


def batch_options(learner, *args, **kwargs):
    """Return the arguments of `train_on_batch` by name, as `fit_options`."""
    options = _by_name(keras.Model.train_on_batch, learner, *args, **kwargs)
    check_class_weight(options.get("class_weight"))
    return options


def _by_name(method, learner, *args, **kwargs):
    call = inspect.signature(method).bind(learner, *args, **kwargs)
    return {k: v for k, v in call.arguments.items() if k != "self"}
