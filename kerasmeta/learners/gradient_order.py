"""First order at first, then exact meta-gradients."""

import tensorflow as tf


def annealed_gradients(learner, data):
    """Return meta-gradients of the order that the outer step asks for.

    Args:
        learner: `GradientLearner`; its `second_order_after` is the number of
            first outer steps of first order.
        data: What `meta_gradients` is called with, a tuple.
    """
    if not learner.second_order_after or learner.optimizer is None:
        return learner._exact_gradients(*data)
    return tf.cond(
        learner.optimizer.iterations < learner.second_order_after,
        lambda: _first_order_gradients(learner, data),
        lambda: learner._exact_gradients(*data),
    )


def _first_order_gradients(learner, data):
    learner._constant_gradients = True
    try:
        return learner._exact_gradients(*data)
    finally:
        learner._constant_gradients = learner.first_order
