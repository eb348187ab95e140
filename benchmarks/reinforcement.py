"""What RL2 and MAML earn: bandits, decision processes and navigation.

Trains each learner for a number of minutes, and prints what it earns in unseen
tasks with 95 % intervals over tasks; RL2 against strategies that learn nothing
from one for the next, in the same tasks.

    python benchmarks/reinforcement.py bandits --pulls 10 --minutes 10
    python benchmarks/reinforcement.py mdps --minutes 10
    python benchmarks/reinforcement.py navigation --minutes 10
"""

import argparse
import json
import os
import time

import keras
import mdp_strategies
import numpy as np
import tensorflow as tf

import kerasmeta as km

ARMS = 5
EPISODES = 10  # of a trial in a decision process
STEPS_PER_EPOCH = 10
TEST_SEEDS = [1, 0], [1, 1]


class StopAfter(keras.callbacks.Callback):
    """Ends training at the end of the epoch in which the minutes are over.

    Minutes are processor time over the number of cores, whatever else the
    machine does.
    """

    def __init__(self, minutes):
        super().__init__()
        cores = len(os.sched_getaffinity(0))
        self.end = time.process_time() + 60 * minutes * cores

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = time.process_time() > self.end


def train(learner, trials, minutes):
    """Train for some minutes, and return the number of steps."""
    # Compiling does not count.
    learner.fit(trials, steps_per_epoch=1, verbose=0)
    history = learner.fit(
        trials.skip(1),
        steps_per_epoch=STEPS_PER_EPOCH,
        epochs=10**6,
        callbacks=[StopAfter(minutes)],
        verbose=0,
    )
    return 1 + STEPS_PER_EPOCH * len(history.epoch)


def train_rl2(environment, trial_length, arguments):
    """Return a trained RL2, how it plays, and the number of steps."""
    learner = km.rl.RL2(environment, trial_length, units=arguments.units)
    learner.compile(optimizer=optimizer_of(arguments))
    trials = environment.trials(arguments.batch_size, seed=arguments.seed)
    steps = train(learner, trials, arguments.minutes)
    return tf.function(learner.play, autograph=False), steps


def optimizer_of(arguments):
    return keras.optimizers.Adam(arguments.learning_rate, global_clipnorm=1.0)


def bandit_regrets(arguments):
    """Return the steps of training, and `name -> (regret, interval)`."""
    bandits = km.rl.BernoulliBandits(ARMS)
    play, steps = train_rl2(bandits, arguments.pulls, arguments)
    tasks = bandits.sample_tasks(arguments.tasks, TEST_SEEDS[0])
    strategies = {
        "random arms": km.rl.RandomArms(),
        "UCB1": km.rl.UCB1(),
        "UCB1, exploration 0.2": km.rl.UCB1(exploration=0.2),
        # As in the paper of RL2; tuned on 20,000 other bandits, 10 pulls each.
        "UCB1, prior 1, exploration 0.02": km.rl.UCB1(0.02, prior=1),
        "Thompson sampling": km.rl.ThompsonSampling(),
        "greedy": km.rl.Greedy(),
    }
    arms = {
        name: strategy.play(bandits, tasks, arguments.pulls, TEST_SEEDS[1])[0]
        for name, strategy in strategies.items()
    }
    seed = tf.constant(TEST_SEEDS[1], "int64")
    arms["RL2"] = play(tasks, seed)["action"]
    best = float(tf.reduce_mean(tf.reduce_max(tasks["probabilities"], -1)))
    return (
        steps,
        best * arguments.pulls,
        {
            name: [
                value.numpy()
                for value in km.rl.task_interval(
                    km.rl.cumulative_regret(tasks, pulled)
                )
            ]
            for name, pulled in arms.items()
        },
    )


def report_bandits(arguments):
    """Train on bandits, print a table, and draw the curves of regret."""
    steps, best, regrets = bandit_regrets(arguments)
    print(f"\n{ARMS} arms, {arguments.pulls} pulls: {steps} steps\n")
    print("| strategy | expected return | regret |")
    print("|---|---|---|")
    for name, (mean, width) in regrets.items():
        total, half = mean[-1], width[-1]
        print(f"| {name} | {best - total:.2f} | {total:.2f} ± {half:.2f} |")
    report_optimum(arguments.pulls)
    if arguments.picture:
        draw(regrets, "pull", "cumulative regret", arguments.picture)
    return steps, {n: [float(v[-1]) for v in r] for n, r in regrets.items()}


def report_optimum(pulls):
    """Print what no strategy can be better than, where it can be found."""
    try:
        optimal = km.rl.optimal_return(ARMS, pulls)
    except ValueError:  # There is too much that can happen.
        return
    regret = pulls * ARMS / (ARMS + 1) - optimal
    print(f"\nOptimal, over all bandits: {optimal:.2f}, regret {regret:.3f}")


def report_mdps(arguments):
    """Train in decision processes, print a table, and draw the returns."""
    mdps = km.rl.TabularMDPs()
    horizon = mdps.horizon
    play, steps = train_rl2(mdps, EPISODES * horizon, arguments)
    tasks = mdps.sample_tasks(arguments.tasks, TEST_SEEDS[0])
    rewards = play(tasks, tf.constant(TEST_SEEDS[1], "int64"))["reward"]
    earned = {
        "RL2": tf.reduce_sum(
            tf.reshape(rewards, [EPISODES, horizon, -1]), axis=1
        ).numpy()
    }
    arrays = {name: value.numpy() for name, value in tasks.items()}
    for name, strategy in {
        "random actions": mdp_strategies.RandomActions(),
        "posterior sampling": mdp_strategies.PosteriorSampling(),
        "knowing the task": mdp_strategies.KnowingTheTask(),
    }.items():
        earned[name] = mdp_strategies.returns_of(
            strategy, arrays, horizon, EPISODES
        )
    print(f"\nDecision processes, {EPISODES} episodes: {steps} steps\n")
    print("| strategy | first episode | last episode | whole trial |")
    print("|---|---|---|---|")
    totals, curves = {}, {}
    for name, values in earned.items():
        parts = {"first": values[0], "last": values[-1], "all": values.sum(0)}
        totals[name] = {key: interval(part) for key, part in parts.items()}
        curves[name] = np.transpose([interval(value) for value in values])
        cells = (f"{m:.2f} ± {w:.2f}" for m, w in totals[name].values())
        print(f"| {name} | {' | '.join(cells)} |")
    if arguments.picture:
        draw(curves, "episode", "return", arguments.picture)
    return steps, totals


def interval(values):
    """Return a mean over tasks and the half-width of its interval."""
    return [float(value) for value in km.rl.task_interval(values)]


def report_navigation(arguments):
    """Train in navigation, print a table, and draw returns by steps."""
    navigation = km.rl.Navigation2D()
    network = km.backbones.mlp((2,), 4, units=(arguments.units,) * 2)
    learner = km.rl.MAMLPolicyGradient(navigation, network, test_inner_steps=3)
    learner.compile(optimizer=optimizer_of(arguments))
    test = navigation.trials(20, seed=2**62, num_trials=arguments.tasks)
    returns = {"untrained": evaluate(learner, test)}
    trials = navigation.trials(20, seed=arguments.seed)
    steps = train(learner, trials, arguments.minutes)
    returns["trained"] = evaluate(learner, test)
    print(f"\nNavigation: {steps} steps\n")
    print("| inner steps | untrained, return | trained, return |")
    print("|---|---|---|")
    for step, pairs in enumerate(zip(*(zip(*r) for r in returns.values()))):
        cells = " | ".join(f"{m:.2f} ± {w:.2f}" for m, w in pairs)
        print(f"| {step} | {cells} |")
    if arguments.picture:
        draw(returns, "inner steps", "return", arguments.picture, first=0)
    return steps, returns


def evaluate(learner, test):
    """Return mean returns by inner steps, and their intervals."""
    logs = learner.evaluate(test, return_dict=True, verbose=0)
    names = learner.return_names()
    return [[logs[f"{name}{end}"] for name in names] for end in ("", "_ci95")]


def draw(curves, x_label, y_label, path, first=1):
    """Draw curves with their intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for name, (mean, width) in curves.items():
        mean, width = np.array(mean), np.array(width)
        x = np.arange(first, first + len(mean))
        axes.plot(x, mean, ".-" if len(mean) < 20 else "-", label=name)
        axes.fill_between(x, mean - width, mean + width, alpha=0.25)
    axes.set_xlabel(x_label)
    axes.set_ylabel(f"{y_label}, with 95 % intervals over tasks")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=150)


# Problem -> what trains and reports, and the learning rate.
REPORTS = {
    "bandits": (report_bandits, 1e-2),
    "mdps": (report_mdps, 1e-3),
    "navigation": (report_navigation, 1e-3),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("problem", choices=REPORTS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--pulls", type=int, default=10)
    parser.add_argument("--units", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", help="file to draw curves into")
    arguments = parser.parse_args()
    report, learning_rate = REPORTS[arguments.problem]
    arguments.learning_rate = arguments.learning_rate or learning_rate
    keras.utils.set_random_seed(arguments.seed)
    steps, results = report(arguments)
    facts = {
        **vars(arguments),
        "steps": steps,
        "cores": len(os.sched_getaffinity(0)),
        "tensorflow": tf.__version__,
        "results": results,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
