"""A first look at meta-learning, in minutes and without a download.

`python -m kerasmeta` trains a learner on invented characters, judges it on
characters that it has never seen, exports it, and adapts the exported model in
a process of its own. `python -m kerasmeta --help` lists the options.
"""

import argparse
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np

import kerasmeta as km
from kerasmeta.visualization import plot_episode

SCRIPT = pathlib.Path(__file__).parent / "export" / "adapt_saved_model.py"
TITLES = {"proto_net": "Prototypical networks", "maml": "MAML"}
# About two minutes of training on two cores.
STEPS = {"proto_net": 600, "maml": 1200}


def integer(minimum, maximum=2**31 - 1):
    """Return a parser of an integer within limits, for `argparse`."""

    def parse(text):
        if not text.isdecimal() or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(
                f"must be an integer from {minimum} to {maximum}, not {text!r}"
            )
        return int(text)

    return parse


def parse_options(arguments=None):
    """Return the options of the command line, and make the output folder."""
    parser = argparse.ArgumentParser(
        prog="python -m kerasmeta",
        description="Train a few-shot learner on invented characters, judge "
        "it on unseen ones, export it, and adapt the exported model.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )

    def add(name, kind, default, text):
        parser.add_argument(name, type=kind, default=default, help=text)

    choices = sorted(TITLES, reverse=True)
    parser.add_argument(
        "--learner", choices=choices, default=choices[0], help="the algorithm"
    )
    add("--ways", integer(2), 5, "classes of a task")
    add("--shots", integer(1), 1, "examples of each class to learn from")
    add("--queries", integer(1), 15, "examples of each class to be judged on")
    add("--batch-size", integer(1), 4, "tasks of a step")
    text = ", ".join(f"{steps} for {name}" for name, steps in STEPS.items())
    text = f"training steps (default: {text})"
    add("--steps", integer(1), argparse.SUPPRESS, text)
    add("--episodes", integer(2), 600, "test tasks to evaluate on")
    add("--output", pathlib.Path, "runs/glyphs", "folder for the results")
    add("--seed", integer(0), 0, "another seed makes other tasks and weights")
    options = parser.parse_args(arguments)
    options.steps = getattr(options, "steps", STEPS[options.learner])
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --output: cannot make this folder: {error}")
    return options


def divert_log(path):
    """Send what TensorFlow's C++ logs to a file; Python keeps its stderr."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    with open(path, "w") as log:
        os.dup2(log.fileno(), 2)


def make_episodes(options, split, num_episodes=None, seed_shift=0):
    """Return a dataset of tasks of one of the splits of the characters."""
    queries = options.queries
    if split == "train" and options.learner == "maml":
        queries = min(queries, 5)  # Cheaper, and enough for a gradient.
    return km.tasks.Glyphs(split).episodes(
        km.episodes.EpisodeSpec(options.ways, options.shots, queries),
        batch_size=1 if num_episodes == 1 else options.batch_size,
        seed=options.seed + seed_shift,
        num_episodes=num_episodes,
    )


def make_learner(options):
    """Return the compiled learner."""
    if options.learner == "proto_net":
        backbone = km.backbones.conv4((28, 28, 1), filters=32)
        learner = km.learners.ProtoNet(backbone)
    else:
        network = km.backbones.conv4(
            (28, 28, 1), options.ways, filters=32, downsampling="stride"
        )
        learner = km.learners.MAML(
            network, inner_learning_rate=0.4, inner_steps=3
        )
    schedule = keras.optimizers.schedules.CosineDecay(2e-3, options.steps)
    learner.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return learner


def train(learner, options):
    """Train, and return accuracy and interval before and after."""
    test = make_episodes(options, "test", options.episodes)

    def judge(when):
        print(f"\nJudging on {options.episodes} test tasks, {when} training:")
        logs = learner.evaluate(test, return_dict=True)
        return f"{logs['accuracy']:6.1%} ± {logs['accuracy_ci95']:.1%}"

    before = judge("before")
    epochs = next(n for n in (5, 4, 3, 2, 1) if options.steps % n == 0)
    print(f"\nTraining for {options.steps} steps, on other characters:")
    learner.fit(
        make_episodes(options, "train"),
        epochs=epochs,
        steps_per_epoch=options.steps // epochs,
    )
    return before, judge("after")


def name_inference(learner):
    """Return how the learner predicts the queries of a task."""
    if learner.transductive:
        return "Transductive: a prediction depends on the task's other queries."
    return "Inductive: each query is predicted by itself."


def adapt_elsewhere(options):
    """Adapt the SavedModel in a new process; return its task and scores."""
    # Another seed: none of the tasks, nor of the characters, judged above.
    task = make_episodes(options, "test", num_episodes=1, seed_shift=1)
    x, query_y = next(iter(task))
    names = ("saved_model", "task.npz", "predictions.npy")
    model, file, predictions = (str(options.output / n) for n in names)
    arrays = {name: tensor[0].numpy() for name, tensor in x.items()}
    np.savez(file, query_y=query_y[0].numpy(), **arrays)
    print("\nA new Python process adapts the SavedModel to one more test task:")
    sys.stdout.flush()
    command = [sys.executable, str(SCRIPT), model, file, predictions]
    run = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    return x, query_y, np.load(predictions, allow_pickle=False)[None]


def draw(path, x, query_y, predictions):
    """Draw the task, if matplotlib is there."""
    try:
        plot_episode(x, query_y, predictions, path=path)
        print(f"\nA picture of that task: {path}")
    except ImportError as error:
        print(f"\nNo picture of that task: {error}")


def main():
    """Run the job."""
    options = parse_options()
    output = options.output
    divert_log(output / "tensorflow.log")
    keras.utils.set_random_seed(options.seed)
    print(
        f"{TITLES[options.learner]}, on invented characters. A task has "
        f"{options.ways} new characters:\n{options.shots} of each to learn "
        f"from, {options.queries} of each to be judged on."
    )
    learner = make_learner(options)
    before, after = train(learner, options)
    print(
        f"\nAccuracy on {options.episodes} tasks of characters that training "
        f"never showed:\n  before training  {before}\n"
        f"  after training   {after}\n{name_inference(learner)}\n"
        "The ± is a 95 % interval over tasks; guessing would give "
        f"{1 / options.ways:.1%}."
    )
    learner.save(output / "learner.keras")
    learner.export(output / "saved_model")
    print(
        f"\nSaved, for Keras:      {output / 'learner.keras'}"
        f"\nand for TensorFlow:    {output / 'saved_model'}"
    )
    draw(output / "episode.png", *adapt_elsewhere(options))


if __name__ == "__main__":
    main()
