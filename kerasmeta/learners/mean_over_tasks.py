"""Is the outer loss the mean of the tasks' own losses?"""

import keras
import tensorflow as tf

from kerasmeta.learners.loss_values import JOINT_LOSSES
from kerasmeta.learners.loss_values import loss_function
from kerasmeta.learners.loss_values import replaces_call


def mean_over_tasks(method):
    """Mark a `meta_loss`, `call` or `solve` that treats each task by itself.

    It promises that the outer loss is the mean over tasks of what each would
    give alone. The mark is on the function, so that a subclass which overrides
    the method has not promised anything.
    """
    method.is_mean_over_tasks = True
    return method


def is_mean_over_tasks(learner):
    """Return whether the outer loss is the mean of the tasks' own losses."""
    if type(learner).compute_loss is not keras.Model.compute_loss:
        # What a user computes may look at several tasks at once.
        return False
    for method in (learner.meta_loss, learner.call, learner.solve):
        if not getattr(method, "is_mean_over_tasks", False):
            return False
    loss = learner.loss
    if tf.nest.is_nested(loss):
        # Several outputs have metrics of their losses, which see all tasks.
        return False
    if replaces_call(loss) or loss_function(loss) in JOINT_LOSSES:
        return False
    reduction = getattr(loss, "reduction", "sum_over_batch_size")
    return reduction in ("sum_over_batch_size", "mean")
