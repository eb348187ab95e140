"""One training step on several replicas, as if one saw all tasks.

`tf.distribute` gives each replica some tasks of a meta-batch. Keras adds their
gradients as if all had equally many, and leaves what they assign, such as
moving statistics, where it was assigned.
"""

import collections
import contextlib

import tensorflow as tf

from kerasmeta.learners.held_variables import true_state
from kerasmeta.learners.queries import takes_sum
from kerasmeta.ops.seeded_noise import TASK_STRIDE
from kerasmeta.utils.thread_scope import ThreadScope

# Each replica has a thread of its own.
_weight = ThreadScope()


def num_replicas():
    """Return how many replicas train in step."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def num_workers(strategy):
    """Return how many processes train in step, each with its replicas."""
    if not _has_workers(strategy):
        return 1
    here = len(strategy.extended.worker_devices)
    return strategy.num_replicas_in_sync // here


def _has_workers(strategy):
    is_multi_worker = getattr(strategy.extended, "_in_multi_worker_mode", None)
    return is_multi_worker is not None and is_multi_worker()


def check_jit(model):
    """Raise a `ValueError` where XLA would compile the step of replicas."""
    replicas = model.distribute_strategy.num_replicas_in_sync
    if model.jit_compile and replicas > 1 and not model.run_eagerly:
        raise ValueError(
            "With `jit_compile=True` Keras has XLA compile the step of all "
            "replicas as one program, which runs on one device and knows "
            "nothing of the others. Compile the learner with "
            "`jit_compile=False`. "
            f"Received: jit_compile=True with {replicas} replicas"
        )


def check_strategy(model):
    """Raise a `ValueError` where workers would not train in step."""
    strategy = model.distribute_strategy
    if isinstance(strategy, tf.distribute.ParameterServerStrategy):
        raise ValueError(
            "Learners do not work with `ParameterServerStrategy`: Keras does "
            "not know the coordinator that gives its workers something to do, "
            "and these update weights at any time, over one another. Use "
            "`tf.distribute.MultiWorkerMirroredStrategy`, whose workers train "
            f"in step. Received: a learner of {type(strategy).__name__}"
        )


def check_accumulation(model):
    """Raise a `ValueError` where replicas would accumulate gradients."""
    replicas = model.distribute_strategy.num_replicas_in_sync
    if not model.compiled:
        return  # Keras has an error of its own for that.
    # One that scales the loss has the other within it.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    steps = getattr(optimizer, "gradient_accumulation_steps", None)
    if steps and replicas > 1:
        raise ValueError(
            "Keras cannot accumulate gradients on several replicas. Leave "
            "`gradient_accumulation_steps` out, and train on larger "
            "meta-batches. "
            f"Received: gradient_accumulation_steps={steps} with {replicas} "
            "replicas"
        )


def for_workers(strategy, step_function):
    """Return a step whose logs Keras can average over workers.

    It takes the mean along an axis, which scalars lack.
    """
    if not _has_workers(strategy):
        return step_function

    def step_with_axis(data):
        return tf.nest.map_structure(lambda t: t[None], step_function(data))

    return step_with_axis


def first_batch(strategy, iterator):
    """Return the batch of the first replica, to see shapes.

    Keras would average those of all, and masks and strings have no average.
    """
    replicas = strategy.experimental_local_results
    _, _, batches = next(iter(iterator))
    return tf.nest.map_structure(lambda t: replicas(t)[0], next(batches))


def without_empty(data, learner):
    """Return a meta-batch of at least one task, and how many are real.

    A replica for which no task is left gets a made-up one, because a mean over
    no tasks is NaN. `None` stands for all of them.

    Args:
        data: Nest of tensors with a leading axis of tasks.
        learner: `MetaLearner` that is called on them.
    """
    first = tf.nest.flatten(data)[0]
    if num_replicas() == 1 or first.shape[0]:
        return data, None
    count = tf.shape(first)[0]
    if any(
        getattr(v, "synchronized", False) for v in learner._flatten_layers()
    ):
        message = (
            "With synchronized BatchNormalization each replica needs a task. "
            "Make episodes whose number is a multiple of that of the replicas."
        )
        tf.debugging.assert_positive(count, message)

    def fill(tensor):
        if tensor is None:
            return None
        shape = tf.concat([[tf.maximum(1 - count, 0)], tf.shape(tensor)[1:]], 0)
        is_mask = tensor.dtype == tf.bool
        missing = (tf.ones if is_mask else tf.zeros)(shape, tensor.dtype)
        filled = tf.concat([tensor, missing], axis=0)
        return tf.ensure_shape(filled, [None, *tensor.shape[1:]])

    return tf.nest.map_structure(fill, data), count


def only_real(count, *nests):
    """Return nests without the task that `without_empty` made up."""
    if count is None:
        return nests
    return tf.nest.map_structure(lambda t: t if t is None else t[:count], nests)


def gradients_of_replica(learner, data, count=None):
    """Return what `learner.meta_gradients` does, to be added over replicas.

    Args:
        learner: `MetaLearner`.
        data: Episodes, targets and weights, as for `meta_gradients`.
        count: How many tasks are real, or `None` for all.
    """
    if num_replicas() == 1:
        return learner.meta_gradients(*data)
    share = ReplicaShare(data[1], count)
    with share.own_state(learner), share.weigh_losses(learner.loss):
        loss, query_pred, gradients = learner.meta_gradients(*data)
    if count is not None:
        # What a made-up task gives may be NaN.
        is_real = tf.minimum(count, 1)
        gradients = [_times(gradient, is_real) for gradient in gradients]
    return loss, query_pred, gradients


def weighted_loss(loss):
    """Return an outer loss as it weighs among those of all replicas.

    Keras divides it by the number of replicas, as if all had as many tasks.
    """
    weight = _weight.value
    return loss if weight is None else loss * tf.cast(weight, loss.dtype)


class ReplicaShare:
    """What this replica has of the meta-batch of all.

    Args:
        data: Nest of tensors with a leading axis of tasks.
        count: How many of them are real, or `None` for all.
    """

    def __init__(self, data, count=None):
        if count is None:
            count = tf.shape(tf.nest.flatten(data)[0])[0]
        self._context = tf.distribute.get_replica_context()
        replicas = self._context.num_replicas_in_sync
        place = self._context.replica_id_in_sync_group
        mine = tf.one_hot(place, replicas) * tf.cast(count, "float32")
        counts = self._context.all_reduce("SUM", mine)
        is_before = tf.range(replicas) < place
        self._first = tf.reduce_sum(tf.where(is_before, counts, 0.0))
        self._of_all = counts[place] / tf.reduce_sum(counts)
        self._replicas = replicas

    def weigh_losses(self, loss):
        """Let `weighted_loss` weigh replicas by their tasks in this scope.

        Args:
            loss: What `compile(loss=)` took. A sum over tasks needs no weight.
        """
        weight = self._of_all * self._replicas
        return _weight.holding(None if takes_sum(loss) else weight)

    @contextlib.contextmanager
    def own_state(self, model):
        """Draw noise as the tasks of this replica do within all of them.

        Within the scope seeds are those of the first task here; after it, what
        was assigned is the same on all replicas.
        """
        state = true_state(model)
        for variable in state:
            if variable.name == "seed_generator_state":
                offset = tf.stack([self._first, tf.zeros_like(self._first)])
                offset = tf.cast(offset, variable.dtype) * TASK_STRIDE
                variable.assign(variable.value + offset)
        before = [tf.identity(variable.value) for variable in state]
        yield
        self._pool(state, before)

    def _pool(self, state, before):
        """Make state the mean over tasks, or that of the first replica.

        The mean of what has changed: shares such as 1/3 do not add up to one,
        and what nothing assigns would drift.
        """
        is_first = self._context.replica_id_in_sync_group == 0
        groups = collections.defaultdict(list)
        for variable, old in zip(state, before):
            value = tf.convert_to_tensor(variable.value)
            share = is_first
            if value.dtype.is_floating:
                # The difference of what is infinite is NaN.
                change = tf.where(value == old, 0.0, 1.0)
                value = _times(value - old, change)
                share = self._of_all
            groups[value.dtype].append((variable, old, _times(value, share)))
        for dtype, group in groups.items():
            variables, olds, values = zip(*group)
            sums = self._context.all_reduce("SUM", list(values))
            for variable, old, value in zip(variables, olds, sums):
                variable.assign(old + value if dtype.is_floating else value)


def _times(value, factor):
    """Return a product in which zero times NaN is zero."""
    if value is None:
        return None
    if isinstance(value, tf.IndexedSlices):
        values = _times(value.values, factor)
        return tf.IndexedSlices(values, value.indices, value.dense_shape)
    factor = tf.cast(factor, value.dtype)
    if not value.dtype.is_floating:
        return value * factor
    return tf.math.multiply_no_nan(value, factor)
