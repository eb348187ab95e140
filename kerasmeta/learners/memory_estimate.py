"""How much memory a training step will take."""

import tensorflow as tf

from kerasmeta.utils import peak_bytes


def estimate_step_memory(learner, episodes, query_y, sample_weight=None):
    """Return the bytes that one training step takes at its peak, about.

    Tensors alive at one time in the graph of the meta-gradients, and weights,
    gradients and slots of the optimizer.

    Args:
        learner: Compiled `MetaLearner`.
        episodes: Dictionary of one meta-batch.
        query_y: Its targets.
        sample_weight: Optional weights.
    """
    data = [dict(episodes), query_y]
    if sample_weight is not None:
        data.append(sample_weight)
    specs = tf.nest.map_structure(
        lambda t: tf.TensorSpec(t.shape, t.dtype), data
    )
    step = tf.function(learner.meta_gradients, autograph=False)
    graph = step.get_concrete_function(*specs).graph
    # Once more the trainable ones, for their gradients.
    variables = [*learner.variables, *learner.trainable_variables]
    if learner.optimizer is not None:
        learner.optimizer.build(learner.trainable_variables)
        variables += learner.optimizer.variables
    tensors = [*tf.nest.flatten(specs), *(v.value for v in variables)]
    held = sum(t.dtype.size * t.shape.num_elements() for t in tensors)
    return held + peak_bytes(graph)
