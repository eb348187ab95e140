"""Strategies for tabular Markov decision processes, to compare RL2 with.

They learn nothing from one task for the next, but two of them know something:
the posterior sampler the distribution of tasks, the optimal one the task.
"""

import numpy as np


def plan(transitions, rewards, horizon):
    """Return the best actions `[horizon, N, states]`, by backward induction."""
    values = np.zeros(rewards.shape[:2])
    actions = []
    for _ in range(horizon):
        gains = rewards + np.einsum("nsat,nt->nsa", transitions, values)
        actions.insert(0, np.argmax(gains, axis=-1))
        values = np.max(gains, axis=-1)
    return np.stack(actions)


class RandomActions:
    """Any action, with the same probability."""

    def begin(self, tasks, horizon, generator):
        self.generator = generator
        self.count = tasks["rewards"].shape[-1]

    def act(self, time, places):
        return self.generator.integers(self.count, size=len(places))

    def observe(self, places, actions, rewards, next_places):
        pass


class KnowingTheTask:
    """What is best for one who knows the task."""

    def begin(self, tasks, horizon, generator):
        self.actions = plan(tasks["transitions"], tasks["rewards"], horizon)

    def act(self, time, places):
        return self.actions[time, np.arange(len(places)), places]

    def observe(self, places, actions, rewards, next_places):
        pass


class PosteriorSampling(KnowingTheTask):
    """What is best in a task drawn anew each episode from the posterior.

    Reference: Osband, Russo and Van Roy, 2013, "(More) Efficient Reinforcement
    Learning via Posterior Sampling", arXiv:1306.0940.
    """

    visits = None

    def begin(self, tasks, horizon, generator):
        if self.visits is None:
            self.visits = np.zeros(tasks["transitions"].shape)
            self.sums = np.zeros(tasks["rewards"].shape)
        weights = generator.gamma(1 + self.visits)
        # Prior and noise of rewards have deviation 1.
        count = 1 + self.visits.sum(-1)
        means = (1 + self.sums) / count
        drawn = {
            "transitions": weights / weights.sum(-1, keepdims=True),
            "rewards": means + generator.normal(size=count.shape) / count**0.5,
        }
        super().begin(drawn, horizon, generator)

    def observe(self, places, actions, rewards, next_places):
        chosen = np.arange(len(places)), places, actions
        self.visits[(*chosen, next_places)] += 1
        self.sums[chosen] += rewards


def returns_of(strategy, tasks, horizon, episodes, seed=0):
    """Return what a strategy earns in each episode, `[episodes, N]`.

    Args:
        strategy: One of the above, new.
        tasks: What `km.rl.TabularMDPs.sample_tasks` returned, as arrays.
        horizon: Number of steps of an episode.
        episodes: Number of episodes in each task.
        seed: Of the generator.
    """
    generator = np.random.default_rng(seed)
    steps = np.cumsum(tasks["transitions"], axis=-1)
    each = np.arange(len(steps))
    earned = np.zeros((episodes, len(steps)))
    for episode in earned:
        strategy.begin(tasks, horizon, generator)
        places = np.zeros(len(steps), int)
        for time in range(horizon):
            actions = strategy.act(time, places)
            chosen = each, places, actions
            level = generator.uniform(size=(len(steps), 1))
            is_before = steps[chosen][:, :-1] <= level
            rewards = tasks["rewards"][chosen] + generator.normal(
                size=len(steps)
            )
            episode += rewards
            before, places = places, is_before.sum(-1)
            strategy.observe(before, actions, rewards, places)
    return earned
