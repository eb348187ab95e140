"""What every environment is: four pure functions."""

import abc

import tensorflow as tf

from kerasmeta.ops.seeded_noise import fold_seed
from kerasmeta.ops.seeded_noise import fold_seeds
from kerasmeta.utils import check_positive_int
from kerasmeta.utils import check_seed


class Environment(abc.ABC):
    """A distribution of tasks to act in, many of them at a time.

    The base of all environments. A subclass writes `sample_tasks`, `reset` and
    `step`, pure functions of tensors whose first axis is `N`, the number of
    tasks: nothing is stored on the object, and everything random comes from
    the seed.

    Args:
        observation_size: Length of an observation.
        action_size: Number of actions; or, if they are continuous, the length
            of an action, whose numbers an environment clips to -1..1.
        horizon: Steps after which an episode ends at the latest.
        is_discrete: Whether actions are numbered, `[N]`; otherwise they are
            vectors, `[N, action_size]`.

    Raises:
        ValueError: If a size is not a positive integer.
    """

    # Whether XLA can compile it.
    supports_jit = True

    def __init__(self, observation_size, action_size, horizon, is_discrete):
        self.observation_size = check_positive_int(
            "observation_size", observation_size
        )
        self.action_size = check_positive_int("action_size", action_size)
        self.horizon = check_positive_int("horizon", horizon)
        self.is_discrete = bool(is_discrete)

    @abc.abstractmethod
    def sample_tasks(self, num_tasks, seed):
        """Draw tasks.

        Args:
            num_tasks: Their number, `N`.
            seed: Two integers.

        Returns:
            Dictionary of tensors `[N, ...]`: what differs between tasks.
        """

    @abc.abstractmethod
    def reset(self, tasks, seed):
        """Begin an episode in each task.

        Args:
            tasks: What `sample_tasks` returned.
            seed: Two integers.

        Returns:
            `(state, observation)`: a dictionary of tensors `[N, ...]`, and
            what is seen of it, float32 `[N, observation_size]`.
        """

    @abc.abstractmethod
    def step(self, tasks, state, action, seed):
        """Act once in each task.

        Args:
            tasks: What `sample_tasks` returned.
            state: What `reset` or the step before returned.
            action: int32 `[N]`, or float32 `[N, action_size]`.
            seed: Two integers.

        Returns:
            `(state, observation, reward, done)`; the reward is float32 `[N]`,
            `done` is bool `[N]`, true where the episode has ended.
        """

    def restart(self, tasks, state, observation, done, seed):
        """Begin a new episode in those tasks whose episode has ended.

        Args:
            tasks: What `sample_tasks` returned.
            state: What `step` returned, as are the next two.
            observation: `[N, observation_size]`.
            done: Bool `[N]`.
            seed: Two integers.

        Returns:
            `(state, observation)`, as of `reset` where `done`.
        """
        new_state, new_observation = self.reset(tasks, seed)
        state = tf.nest.map_structure(
            lambda new, old: _choose(done, new, old), new_state, state
        )
        return state, _choose(done, new_observation, observation)

    def trials(self, batch_size=32, seed=0, num_trials=None):
        """Return a dataset of meta-batches of tasks to act in.

        A meta-batch is a pure function of the seed and its number.

        Args:
            batch_size: Number of tasks in a meta-batch.
            seed: Non-negative integer. Another seed gives other tasks.
            num_trials: Number of tasks, a multiple of `batch_size`, or `None`
                for an endless dataset.

        Returns:
            A `tf.data.Dataset` of dictionaries: `"tasks"`, what `sample_tasks`
            returns, and `"seed"`, `[batch_size, 2]`. Everything random in the
            trials of a meta-batch comes from the first of its seeds; there is
            one for each trial, so that any share of a meta-batch has its own.

        Raises:
            ValueError: If an argument is not what it should be.
        """
        batch_size = check_positive_int("batch_size", batch_size)
        first = [check_seed(seed), batch_size]
        batches = tf.data.Dataset.counter()
        if num_trials is not None:
            check_positive_int("num_trials", num_trials)
            if num_trials % batch_size:
                raise ValueError(
                    "`num_trials` must be a multiple of `batch_size`. "
                    f"Received: num_trials={num_trials}, "
                    f"batch_size={batch_size}"
                )
            batches = batches.take(num_trials // batch_size)

        def draw(number):
            batch_seed = fold_seed(first, number)
            return {
                "tasks": self.sample_tasks(
                    batch_size, fold_seed(batch_seed, 0)
                ),
                "seed": fold_seeds(batch_seed, tf.range(1, batch_size + 1)),
            }

        return batches.map(draw).prefetch(tf.data.AUTOTUNE)

    def get_config(self):
        raise NotImplementedError(
            f"`{type(self).__name__}` cannot be saved: write its `get_config`, "
            "or save the learner by `save_weights`."
        )

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def _choose(condition, new, old):
    axes = [1] * (new.shape.rank - 1)
    return tf.where(tf.reshape(condition, [-1, *axes]), new, old)
