"""One step of the inner loop."""

import tensorflow as tf

from kerasmeta.learners.gradient_checks import check_fast_weights


def gradient_step(learner, training):
    """Return the step of a gradient learner's inner loop.

    Args:
        learner: `GradientLearner`.
        training: Whether the learner itself is being trained.

    Returns:
        A function of `(state, step, support)` that returns the next state:
        `"fast_weights"`, `"buffers"` and the `"optimizer"`'s.
    """
    constant_gradients = learner._constant_gradients

    def step_fn(state, step, support):
        support = learner.support_batch(support, step)
        weights = check_fast_weights(state["fast_weights"])
        with tf.GradientTape() as tape:
            tape.watch(weights)
            loss, buffers = learner.inner_objective(
                weights, state["buffers"], support, step, training
            )
        gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
        # Embedding layers give sparse gradients, which only a tape of first
        # order understands.
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        if constant_gradients:
            gradients = [tf.stop_gradient(g) for g in gradients]
            loss = tf.stop_gradient(loss)
        weights, optimizer_state = learner.inner_optimizer.apply(
            weights, gradients, state["optimizer"], step, loss
        )
        return {
            "fast_weights": weights,
            "buffers": buffers,
            "optimizer": optimizer_state,
        }

    return step_fn
