"""What a learner is compiled with."""

import inspect

import keras

from kerasmeta.learners.counted_ways import check_ways_for_jit


def compile_options(learner, *args, **kwargs):
    """Return the arguments of `compile` by name, those left out included.

    Args:
        learner: `MetaLearner` that is to be compiled.
        *args: As for Keras' `compile`.
        **kwargs: As for Keras' `compile`.

    Raises:
        ValueError: If XLA is to compile what counts its classes.
    """
    call = inspect.signature(keras.Model.compile).bind(learner, *args, **kwargs)
    call.apply_defaults()
    options = {k: v for k, v in call.arguments.items() if k != "self"}
    check_ways_for_jit(learner, options["jit_compile"])
    return options
