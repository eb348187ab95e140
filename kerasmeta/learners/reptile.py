"""Reptile."""

import keras
import tensorflow as tf

from kerasmeta.learners.adapted_tasks import adapt_tasks
from kerasmeta.learners.adapted_tasks import check_fixed_optimizer
from kerasmeta.learners.adapted_tasks import solve_adapted_task
from kerasmeta.learners.gradient_learner import GradientLearner
from kerasmeta.learners.replicas import num_replicas
from kerasmeta.ops.seeded_noise import seed_of_task
from kerasmeta.ops.seeded_noise import seeded_uniforms
from kerasmeta.utils import check_positive_int


@keras.saving.register_keras_serializable(package="kerasmeta")
class Reptile(GradientLearner):
    """Reptile: move the initialisation towards where the tasks ended.

    Use it for long inner loops and large networks: nothing is differentiated
    through, so a step costs no more than the inner loop and its memory does not
    grow with the number of inner steps. Each task takes `K` steps from `w` on
    mini-batches of its support set and ends at `w_K`. The meta-gradient is

    `mean over tasks of (w - w_K)`,

    so that `keras.optimizers.SGD(epsilon)` as the outer optimizer gives the
    `w <- w + epsilon * mean(w_K - w)` of the paper.

    Only support sets teach it. The queries, and their weights and the compiled
    loss with them, serve the logged loss and metrics, at `w_K`. The paper
    trains on more support examples than it tests with (15 for 1 or 5 shots):
    make the training episodes with that many shots. It takes 5 to 12 steps of
    10 to 20 examples, and a rate `epsilon` that falls from 1 to 0.

    The authors' code takes Adam in the inner loop and carries its moments from
    task to task. Here every task begins with moments of zero, where Adam's
    first steps are as long for weights that hardly matter as for all others:
    gradient descent learns much faster (`docs/results.md`).

    FOMAML on mini-batches, which the paper sets beside it, is not offered:
    inner steps of `km.learners.MAML(first_order=True)` take the whole support
    set. It is the paper's FOMAML with a separate tail, the queries, where each
    step before takes the same examples.

    Reference: Nichol, Achiam and Schulman, 2018, "On First-Order Meta-Learning
    Algorithms", arXiv:1803.02999.

    Args:
        network: Built `keras.Model`, used as it is.
        inner_batch_size: Number of support examples in each inner step, taken
            from one random order of the support set after another, so that all
            are used equally often; a batch may reach into the next order. By
            default each step uses all. Outside of `fit` the orders are always
            the same.
        replacement: Whether each mini-batch is drawn anew from the whole
            support set, so that two of them may share examples, instead of
            from one order after another. The paper compares both. Within a
            mini-batch examples differ, as far as there are enough.
        seed: Seed of the random orders, or `None` for a random one.
        **kwargs: `inner_learning_rate`, `inner_steps` and what else
            `km.learners.MAML` takes. `first_order` and `second_order_after`
            have no effect: there is no second order.

    Raises:
        ValueError: If an argument is unsuitable, or the inner optimizer has
            weights to learn, which no gradient would reach.

    Example:

    >>> network = km.backbones.mlp((1,), 1, units=(40, 40))
    >>> learner = km.learners.Reptile(
    ...     network, inner_learning_rate=0.02, inner_steps=8,
    ...     inner_batch_size=5,
    ... )
    >>> learner.compile(optimizer=keras.optimizers.SGD(0.5), loss="mse")
    >>> episodes = km.tasks.Sinusoid(shots=10).episodes(batch_size=4)
    >>> history = learner.fit(episodes, steps_per_epoch=2, verbose=0)
    """

    def __init__(
        self,
        network,
        inner_batch_size=None,
        seed=None,
        replacement=False,
        **kwargs,
    ):
        super().__init__(network, **kwargs)
        check_fixed_optimizer(self)
        self.inner_batch_size = inner_batch_size
        if inner_batch_size is not None:
            check_positive_int("inner_batch_size", inner_batch_size)
        self.replacement = bool(replacement)
        if replacement and inner_batch_size is None:
            raise ValueError(
                "`replacement` is about mini-batches: give `inner_batch_size`, "
                "too. Received: replacement=True, inner_batch_size=None"
            )
        self.seed = seed
        self._order_seed = keras.random.SeedGenerator(seed)

    def meta_gradients(self, episodes, query_y, sample_weight=None):
        episodes = dict(episodes)
        state = adapt_tasks(self, episodes)
        self._order_seed.next()
        moves = {
            id(variable): self._scale(variable - tf.reduce_mean(ends, axis=0))
            for variable, ends in zip(
                self.fast_variables(), state["fast_weights"]
            )
        }
        loss, query_pred = self.meta_loss(
            {**episodes, "state": state}, query_y, sample_weight
        )
        gradients = [moves[id(v)] for v in self.trainable_variables]
        return loss, query_pred, gradients

    def _scale(self, move):
        # As Keras scales the loss: replicas are summed by the optimizer, which
        # also divides by what it scales for half precision.
        return self.scale_loss(move / num_replicas())

    def solve_task(self, task, training):
        if "state" in task:
            return solve_adapted_task(self, task, training)
        return super().solve_task(task, training)

    def seeds_of_task(self, task):
        # Each task draws orders of its own.
        seed = self._order_seed.state
        own = seed_of_task(seed.value, task)
        return {**super().seeds_of_task(task), id(seed): own}

    def _take_steps(self, state, support, training, collect=None):
        if self.inner_batch_size is not None:
            rows = _mini_batches(
                self._order_seed.state.value if training else [0, 0],
                tf.shape(tf.nest.flatten(support["y"])[0])[0],
                support.get("mask"),
                self.steps_for(training),
                self.inner_batch_size,
                self.replacement,
            )
            support = {**support, "rows": rows}
        return super()._take_steps(state, support, training, collect)

    def support_batch(self, support, step):
        support = dict(support)
        rows = support.pop("rows", None)
        if rows is None:
            return support
        return tf.nest.map_structure(
            lambda t: tf.gather(t, tf.gather(rows, step)), support
        )

    def get_config(self):
        return {
            **super().get_config(),
            "inner_batch_size": self.inner_batch_size,
            "seed": self.seed,
            "replacement": self.replacement,
        }


def _mini_batches(seed, size, mask, steps, batch_size, replacement=False):
    """Return the numbers of the examples of each step, `[steps, batch_size]`.

    They are read off one random order of the real examples after another; with
    `replacement` each step has an order of its own.
    """
    drawn = steps * batch_size
    real, orders = size, -(-drawn // size)
    if mask is not None:
        real = tf.maximum(tf.reduce_sum(tf.cast(mask, tf.int32)), 1)
        orders = drawn
    if replacement:
        orders = steps
    keys = seeded_uniforms([orders, size], seed)
    if mask is not None:
        # Padding comes last in each order, after all that is drawn.
        keys = tf.where(mask, keys, 2.0)
    order = tf.argsort(keys)  # (orders, S)
    place = tf.range(drawn)
    number = place // real
    if replacement:
        number, place = place // batch_size, place % batch_size
    places = tf.stack([number, place % real], axis=1)
    return tf.reshape(tf.gather_nd(order, places), [steps, batch_size])
