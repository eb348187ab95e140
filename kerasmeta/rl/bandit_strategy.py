"""What strategies for bandits share."""

import abc

import tensorflow as tf

from kerasmeta.rl.collect import collect
from kerasmeta.rl.collect import count_tasks
from kerasmeta.utils import check_positive_int


class BanditStrategy(abc.ABC):
    """Plays Bernoulli bandits by counting what each arm has paid.

    The base of strategies that learn nothing from one bandit for the next, to
    compare learners with. A subclass writes `choose`.
    """

    @abc.abstractmethod
    def choose(self, wins, losses, seed):
        """Choose an arm of each bandit.

        Args:
            wins: How often each arm has paid, float32 `[N, arms]`.
            losses: How often it has not, float32 `[N, arms]`.
            seed: Two integers.

        Returns:
            int32 `[N]`.
        """

    def play(self, bandits, tasks, pulls, seed):
        """Play each bandit.

        Args:
            bandits: `BernoulliBandits`.
            tasks: What its `sample_tasks` returned, `N` tasks.
            pulls: Number of pulls.
            seed: Two integers.

        Returns:
            The arms that were pulled, int32 `[pulls, N]`, and the rewards,
            float32 `[pulls, N]`.
        """
        pulls = check_positive_int("pulls", pulls)
        nothing = tf.zeros([count_tasks(tasks), bandits.arms])

        @tf.function(autograph=False)
        def run(tasks, memory, seed):
            return collect(
                bandits, tasks, self._act, memory, pulls, seed, restarts=True
            )

        played = run(tasks, (nothing, nothing), tf.cast(seed, "int64"))
        return played["action"], played["reward"]

    def _act(self, memory, last, seed):
        wins, losses = memory
        # Before the first pull there is no arm, and nothing is counted.
        arm = tf.one_hot(last["action"], wins.shape[-1])
        reward = last["reward"][:, None]
        wins, losses = wins + arm * reward, losses + arm * (1 - reward)
        return (wins, losses), self.choose(wins, losses, seed)
