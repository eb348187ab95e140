"""Keras' `fit`, which a callback may run itself."""

import inspect

import tensorflow as tf

from kerasmeta.utils.lost_workers import lost_workers_named

_DATASETS = (tf.data.Dataset, tf.distribute.DistributedDataset)


def run_fit(fit, *args, **kwargs):
    """Call a `fit`, or let the callback do it that has to.

    Callbacks hear of a fit, but cannot begin it in the middle of an epoch. One
    that has a method `run_fit` gets the call instead, as
    `km.callbacks.BackupAndRestore` does; learners need not know it.

    Args:
        fit: Bound method, Keras' own.
        *args: As for `fit`.
        **kwargs: As for `fit`.
    """
    options = inspect.signature(fit).bind(*args, **kwargs).arguments
    if isinstance(options.get("x"), _DATASETS):
        # Keras would warn that it cannot shuffle what is drawn at random.
        options.setdefault("shuffle", False)
    callbacks = tf.nest.flatten(options.get("callbacks"))
    runners = [c for c in callbacks if hasattr(c, "run_fit")]
    if len(runners) > 1:
        raise ValueError(
            "One callback that resumes a run is enough, and two would both "
            f"resume. Received: callbacks={runners}"
        )
    with lost_workers_named():
        if not runners:
            return fit(**options)
        return runners[0].run_fit(fit, **options)
