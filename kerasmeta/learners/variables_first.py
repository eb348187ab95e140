"""Making the variables of training before anything is traced."""

import keras
import tensorflow as tf

from kerasmeta.learners.queries import merge_tasks


def make_variables(learner, data):
    """Make the variables of the optimizer and of the metrics.

    Keras makes them in the first step, and TensorFlow traces a function anew
    that has made variables: the whole inner loop, twice. What metrics need to
    know, what predictions look like, is traced for a single task.

    Args:
        learner: `MetaLearner`; if it is not compiled, Keras will say so.
        data: Dataset of episodes that `check_episodes` has seen. Of arrays and
            under a strategy Keras' own way is left to itself.
    """
    is_dataset = isinstance(data, tf.data.Dataset)
    is_alone = learner._distribute_strategy is None
    if not (is_dataset and is_alone and learner.compiled):
        return
    if learner.run_eagerly:
        return
    metrics = learner._compile_metrics
    needs_metrics = metrics is not None and not metrics.built
    needs_slots = learner.optimizer is not None and not learner.optimizer.built
    is_built = all(layer.built for layer in learner._flatten_layers())
    if needs_metrics or (needs_slots and not is_built):
        leaves = tf.nest.flatten(data.element_spec)
        if any(leaf.shape.rank is None for leaf in leaves):
            return
        # It builds layers that wait for their first call, too, before the
        # optimizer is told of all weights.
        queries = _queries_of_a_task(learner, data)
    if needs_slots:
        learner.optimizer.build(learner.trainable_variables)
    if needs_metrics:
        metrics.build(*queries)
    if metrics is not None:
        learner._task_intervals.build_for(metrics)


def _queries_of_a_task(learner, data):
    """Return targets and predictions as Keras' metrics get them, symbolic."""
    task = tf.nest.map_structure(
        lambda spec: tf.TensorSpec([1, *spec.shape[1:]], spec.dtype),
        data.element_spec[:2],
    )

    def of_queries(x, query_y):
        return merge_tasks(query_y), merge_tasks(learner(x, training=False))

    traced = tf.function(of_queries, autograph=False)
    return tf.nest.map_structure(
        lambda spec: keras.KerasTensor(spec.shape, spec.dtype.name),
        traced.get_concrete_function(*task).structured_outputs,
    )
