"""RL^2: a recurrent network whose memory learns."""

import keras
import tensorflow as tf

from kerasmeta.rl.advantages import discounted_sums
from kerasmeta.rl.advantages import generalized_advantages
from kerasmeta.rl.advantages import standardize
from kerasmeta.rl.collect import collect
from kerasmeta.rl.collect import count_tasks
from kerasmeta.rl.collect import no_action
from kerasmeta.rl.policy_learner import PolicyLearner
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_positive_number
from kerasmeta.utils import check_share


@keras.saving.register_keras_serializable(package="kerasmeta")
class RL2(PolicyLearner):
    """RL^2: a recurrent policy that learns a task in its memory.

    Use it where a new task has to be explored and exploited within few steps.
    A *trial* is a fixed number of steps in one task, in as many episodes as
    they make. The network, a GRU, gets what it observes, its last action, and
    the reward and the end of the episode that followed, and keeps its memory
    through all of the trial: so what it does can depend on all that happened
    in the task, and a learning algorithm is what it is trained to be.

    The weights learn to earn much in a whole trial, by proximal policy
    optimization: of the trials of a meta-batch, the mean of

    `min(r A, clip(r, 1 - c, 1 + c) A) + entropy_weight * H - error^2 / 2`

    is ascended in some updates. `r` is how much more likely an action has
    become, `A` its generalized advantage, standardized over the meta-batch, `H`
    the entropy of the policy. The second head predicts the mean of discounted
    rewards over the rest of the trial, and `error` is what it is off.

    The paper trains with TRPO and a second network for the values, with a
    discount of 0.99 and a trace of 0.3 as here.

    Reference: Duan, Schulman, Chen, Bartlett, Sutskever and Abbeel, 2016,
    "RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning",
    arXiv:1611.02779; Schulman, Wolski, Dhariwal, Radford and Klimov, 2017,
    "Proximal Policy Optimization Algorithms", arXiv:1707.06347.

    Args:
        environment: `Environment` to act in.
        trial_length: Number of steps of a trial.
        units: Size of the memory.
        updates: Number of steps of the optimizer from one meta-batch.
        discount: Discount of rewards, in 0..1.
        trace: The parameter lambda of the advantages, in 0..1.
        clip: How far `r` may move from 1, positive.
        entropy_weight: Weight of the entropy, in 0..1.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: If an argument is unsuitable.

    Example:

    >>> bandits = km.rl.BernoulliBandits(arms=2)
    >>> learner = km.rl.RL2(bandits, trial_length=5, units=8)
    >>> learner.compile(optimizer=keras.optimizers.Adam(1e-2))
    >>> trials = bandits.trials(batch_size=16)
    >>> history = learner.fit(trials, steps_per_epoch=2, verbose=0)
    >>> memory = learner.initial_memory(num_tasks=1)
    >>> last = learner.first_input(num_tasks=1)
    >>> memory, arm = learner.act(memory, last, seed=[0, 0])
    >>> arm.shape
    TensorShape([1])
    """

    def __init__(
        self,
        environment,
        trial_length,
        units=64,
        updates=4,
        discount=0.99,
        trace=0.3,
        clip=0.2,
        entropy_weight=0.01,
        **kwargs,
    ):
        super().__init__(environment, **kwargs)
        self.trial_length = check_positive_int("trial_length", trial_length)
        self.units = check_positive_int("units", units)
        self.updates = check_positive_int("updates", updates)
        self.discount = check_share("discount", discount)
        self.trace = check_share("trace", trace)
        self.clip = check_positive_number("clip", clip)
        self.entropy_weight = check_share("entropy_weight", entropy_weight)
        self.gru = keras.layers.GRU(units, return_sequences=True, name="gru")
        self.policy_head = keras.layers.Dense(
            self.actions.output_size,
            # At first all actions are about equally likely.
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="policy_head",
        )
        self.value_head = keras.layers.Dense(1, name="value_head")
        width = environment.observation_size + environment.action_size + 2
        self.gru.build((None, None, width))
        self.policy_head.build((None, units))
        self.value_head.build((None, units))
        self.built = True

    def initial_memory(self, num_tasks):
        """Return the memory at the beginning of a trial, `[N, units]`."""
        return tf.zeros([num_tasks, self.units])

    def first_input(self, num_tasks):
        """Return what `act` gets at first where all observations are zero."""
        size = self.environment.observation_size
        return no_action(self.environment, tf.zeros([num_tasks, size]))

    def act(self, memory, last, seed):
        """Act once in each task.

        Args:
            memory: `initial_memory`, or what this returned the step before.
            last: Dictionary of the `"observation"`, `[N, observation_size]`,
                and of the `"action"`, `[N]` or, if actions are vectors,
                `[N, action_size]`, the `"reward"` and `"done"` that led to it,
                `[N]`.
            seed: Two integers.

        Returns:
            `(memory, action)`; the memory is the state of what was learned.
        """
        _, [memory] = self.gru.cell(self._describe(last), [memory])
        memory = tf.cast(memory, "float32")
        return memory, self.actions.sample(self._outputs(memory), seed)

    def play(self, tasks, seed):
        """Act in each task for a whole trial.

        Args:
            tasks: What `Environment.sample_tasks` returned, `N` tasks.
            seed: Two integers.

        Returns:
            Dictionary of tensors `[trial_length, N, ...]`: `"observation"`,
            `"action"`, `"reward"`, `"done"` and `"mask"`.
        """
        return collect(
            self.environment,
            tasks,
            self.act,
            self.initial_memory(count_tasks(tasks)),
            self.trial_length,
            seed,
            restarts=True,
        )

    def collect(self, tasks, seed, training=False):
        experience = self.play(tasks, seed)
        returns = {"return": tf.reduce_sum(experience["reward"], axis=0)}
        if training:
            experience = {**experience, **self.judge(experience)}
        return experience, returns

    def judge(self, experience):
        """Return what `policy_loss` needs besides what `play` returned."""
        outputs, rates = self(experience)
        steps_left = discounted_sums(tf.ones_like(rates), self.discount)
        advantages = generalized_advantages(
            experience["reward"], rates * steps_left, self.discount, self.trace
        )
        return {
            "log_prob": self.actions.log_prob(outputs, experience["action"]),
            "advantage": standardize(advantages, experience["mask"]),
            "rate": rates + advantages / steps_left,
        }

    def call(self, experience):
        """Return the outputs and the values of all steps of trials.

        Args:
            experience: What `play` returned.

        Returns:
            `(outputs, rates)`: `[trial_length, N, ...]`.
        """
        first = no_action(self.environment, experience["observation"][0])
        last = {
            name: tf.concat([first[name][None], experience[name][:-1]], axis=0)
            for name in ("action", "reward", "done")
        }
        last["observation"] = experience["observation"]
        inputs = tf.transpose(self._describe(last), [1, 0, 2])
        hidden = tf.transpose(self.gru(inputs), [1, 0, 2])
        rates = self.value_head(hidden)[..., 0]
        return self._outputs(hidden), tf.cast(rates, "float32")

    def policy_loss(self, experience):
        outputs, rates = self(experience)
        log_prob = self.actions.log_prob(outputs, experience["action"])
        ratio = tf.exp(log_prob - experience["log_prob"])
        clipped = tf.clip_by_value(ratio, 1 - self.clip, 1 + self.clip)
        advantage = experience["advantage"]
        gain = tf.minimum(ratio * advantage, clipped * advantage)
        gain += self.entropy_weight * self.actions.entropy(outputs)
        error = tf.square(rates - experience["rate"])
        return tf.reduce_mean(0.5 * error - gain)

    def _outputs(self, memory):
        # In half precision probabilities would be coarse.
        return tf.cast(self.policy_head(memory), "float32")

    def _describe(self, last):
        return tf.concat(
            [
                last["observation"],
                self.actions.encode(last["action"]),
                last["reward"][..., None],
                tf.cast(last["done"], "float32")[..., None],
            ],
            axis=-1,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "trial_length": self.trial_length,
            "units": self.units,
            "updates": self.updates,
            "discount": self.discount,
            "trace": self.trace,
            "clip": self.clip,
            "entropy_weight": self.entropy_weight,
        }
