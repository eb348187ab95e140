"""Model-agnostic meta-learning of policies."""

import keras
import tensorflow as tf

from kerasmeta.ops.seeded_noise import fold_seed
from kerasmeta.rl.advantages import discounted_sums
from kerasmeta.rl.advantages import standardize
from kerasmeta.rl.collect import collect
from kerasmeta.rl.collect import count_tasks
from kerasmeta.rl.linear_baseline import linear_baseline
from kerasmeta.rl.linear_baseline import num_features
from kerasmeta.rl.policy_learner import PolicyLearner
from kerasmeta.rl.surrogate import surrogate
from kerasmeta.rl.task_policies import TaskPolicies
from kerasmeta.rl.task_policies import check_policy_network
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number
from kerasmeta.utils import check_share


@keras.saving.register_keras_serializable(package="kerasmeta")
class MAMLPolicyGradient(PolicyLearner):
    """A policy from which a few policy-gradient steps lead to a good one.

    Use it where a learned policy should go on learning by gradients in a new
    task. In each task, the policy acts in some episodes, and its weights take
    a step,

    `w' = w + rate * grad J(w)`, `J` the mean of `A_t log p(a_t | o_t; w)`

    over the steps of these episodes, where the advantages `A_t`, discounted
    returns above a linear baseline, have mean 0 and deviation 1 in each task.
    (With no more steps than the baseline has numbers to fit, twice those of an
    observation and four, it could fit returns exactly, and nothing would be
    left to learn from: then the baseline is the mean.)
    Then it acts with `w'`; and the outer loop trains `w` by the policy gradient
    of what the last policies earned, through the inner steps. What a step does
    to the trajectories that the inner gradient is taken from is part of the
    derivative, see `memory`.

    The outer step is that of the compiled optimizer, on one batch of
    trajectories. The paper's is TRPO's: a natural gradient with a line search
    that keeps the policy within a distance of the last. So learn slowly, and
    clip gradients.

    `evaluate` reports the return with the policy as it is, `return_0`, and
    after each inner step, `return_1` and so on, of means over the episodes of a
    task. `test_inner_steps` may be more than it is trained with.

    Reference: Finn, Abbeel and Levine, 2017, "Model-Agnostic Meta-Learning for
    Fast Adaptation of Deep Networks", arXiv:1703.03400, sections 3.2 and 5.3.

    Args:
        environment: `Environment` to act in.
        network: Built `keras.Model` from observations `[n, observation_size]`
            to logits of the actions, `[n, action_size]`; or, if actions are
            continuous, to their means and the logarithms of their deviations,
            `[n, 2 * action_size]`.
        inner_learning_rate: Positive number, the rate of the first inner step;
            the others have half of it, as in the paper.
        inner_steps: Number of inner steps in `fit`.
        test_inner_steps: Number of inner steps in `evaluate`, at least
            `inner_steps`, or `None` for the same.
        episodes_per_step: Number of episodes that a gradient is taken from;
            at least 2 where an episode is one step.
        discount: Discount of rewards, in 0..1.
        memory: Number in 0..1: how far back the derivative of an inner
            gradient knows that other weights visit other trajectories. 1 is
            exact in expectation; 0 has less variance.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If the network does not fit the environment or an argument
            is unsuitable.

    Example:

    >>> navigation = km.rl.Navigation2D(horizon=10)
    >>> network = km.backbones.mlp((2,), 4, units=(16,))
    >>> learner = km.rl.MAMLPolicyGradient(
    ...     navigation, network, episodes_per_step=4
    ... )
    >>> learner.compile(optimizer=keras.optimizers.Adam(1e-3))
    >>> trials = navigation.trials(batch_size=2, num_trials=2)
    >>> history = learner.fit(trials, verbose=0)
    >>> sorted(history.history)
    ['loss', 'return_0', 'return_1']
    """

    def __init__(
        self,
        environment,
        network,
        inner_learning_rate=0.1,
        inner_steps=1,
        test_inner_steps=None,
        episodes_per_step=20,
        discount=0.99,
        memory=0.0,
        **kwargs,
    ):
        self.inner_steps = check_positive_int("inner_steps", inner_steps)
        self.test_inner_steps = check_positive_int(
            "test_inner_steps",
            inner_steps if test_inner_steps is None else test_inner_steps,
            inner_steps,
        )
        super().__init__(environment, **kwargs)
        self.network = check_policy_network(network, environment, self.actions)
        self.inner_learning_rate = check_positive_number(
            "inner_learning_rate", inner_learning_rate
        )
        self.episodes_per_step = check_positive_int(
            "episodes_per_step", episodes_per_step
        )
        samples = self.episodes_per_step * environment.horizon
        if samples == 1:
            raise ValueError(
                "One action is neither better nor worse than others: take "
                "`episodes_per_step` of at least 2. Received: "
                f"episodes_per_step={episodes_per_step}, in an environment of "
                "horizon 1"
            )
        self._fits_baseline = samples > num_features(environment)
        self.discount = check_share("discount", discount)
        self.memory = check_share("memory", memory)
        self.policies = TaskPolicies(network, self.actions)
        self.built = True

    def return_names(self):
        return [f"return_{step}" for step in range(self.test_inner_steps + 1)]

    def explore(self, tasks, weights, seed):
        """Act in some episodes of each task.

        Args:
            tasks: What `Environment.sample_tasks` returned, `T` tasks.
            weights: List of tensors `[T, ...]`.
            seed: Two integers.

        Returns:
            Dictionary of tensors `[H, T, K, ...]` for `K` episodes of at most
            `H` steps: `"observation"`, `"action"`, `"reward"`, `"mask"` and
            `"advantage"`.
        """
        num_tasks, episodes = count_tasks(tasks), self.episodes_per_step

        def split(values, axis):
            shape = tf.shape(values)
            sizes = [shape[:axis], [num_tasks, episodes], shape[axis + 1 :]]
            return tf.reshape(values, tf.concat(sizes, axis=0))

        def policy(memory, last, seed):
            observations = split(last["observation"], axis=0)
            actions = self.policies.sample(weights, observations, seed)
            return memory, tf.reshape(actions, tf.shape(last["action"]))

        copies = tf.nest.map_structure(
            lambda t: tf.repeat(t, episodes, axis=0), tasks
        )
        horizon = self.environment.horizon
        seen = collect(self.environment, copies, policy, (), horizon, seed)
        seen = {name: split(values, axis=1) for name, values in seen.items()}
        return {**seen, "advantage": self._advantages(seen)}

    def _advantages(self, seen):
        mask = seen["mask"]
        returns = discounted_sums(seen["reward"], self.discount)
        if self._fits_baseline:
            returns -= linear_baseline(seen["observation"], returns, mask)
        return standardize(returns * mask, mask, axis=(0, 2))

    def adapt(self, weights, experience, step=0):
        """Take one inner step in each task.

        Args:
            weights: List of tensors `[T, ...]`.
            experience: What `explore` returned.
            step: Number of steps that the weights have taken.

        Returns:
            List of tensors `[T, ...]`.
        """
        with tf.GradientTape() as tape:
            tape.watch(weights)
            log_probs = self._log_probs(weights, experience)
            terms = surrogate(log_probs, experience["advantage"], self.memory)
            # Each task has weights of its own, so the gradient of the sum
            # over tasks holds that of each.
            gain = tf.reduce_sum(_mean_over_steps(terms, experience["mask"]))
        gradients = tape.gradient(gain, weights)
        rate = self.inner_learning_rate / (2 if step else 1)
        return [w + rate * g for w, g in zip(weights, gradients)]

    def collect(self, tasks, seed, training=False):
        weights = self.policies.initial_weights(count_tasks(tasks))
        experience, returns = [], {}
        steps = self.inner_steps if training else self.test_inner_steps
        for step in range(steps + 1):
            if step:
                weights = self.adapt(weights, experience[-1], step - 1)
            seen = self.explore(tasks, weights, fold_seed(seed, step))
            earned = tf.reduce_sum(seen["reward"], axis=0)  # (T, K)
            returns[f"return_{step}"] = tf.reduce_mean(earned, axis=1)
            experience.append(seen)
        return experience, returns

    def policy_loss(self, experience):
        *support, query = experience
        num_tasks = tf.shape(query["mask"])[1]
        weights = self.policies.initial_weights(num_tasks)
        for step, seen in enumerate(support):
            weights = self.adapt(weights, seen, step)
        gains = self._log_probs(weights, query) * query["advantage"]
        return -tf.reduce_mean(_mean_over_steps(gains, query["mask"]))

    def _log_probs(self, weights, experience):
        return self.policies.log_probs(
            weights, experience["observation"], experience["action"]
        )

    def get_config(self):
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "inner_learning_rate": self.inner_learning_rate,
            "inner_steps": self.inner_steps,
            "test_inner_steps": self.test_inner_steps,
            "episodes_per_step": self.episodes_per_step,
            "discount": self.discount,
            "memory": self.memory,
        }


def _mean_over_steps(values, mask):
    """Return the mean of each task over its real steps, `[T]`."""
    return tf.reduce_sum(values, (0, 2)) / tf.reduce_sum(mask, (0, 2))
