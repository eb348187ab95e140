"""Neural processes, and a Gaussian process that is fitted to each task.

Each learner trains for the same number of minutes, tracing and compiling
included, and is evaluated on fixed unseen tasks: log-likelihood of a query in
nats and squared error of its mean, with 95 % intervals over tasks; for what
draws functions, also the log-likelihood of all queries together, divided by
their number. The same tasks go to scikit-learn's `GaussianProcessRegressor`,
whose kernel is fitted to the support set of each; curves that come from a
Gaussian process go to that process itself, too. Prints a row of a Markdown
table for each.

    python benchmarks/neural_processes.py --data FOLDER
    python benchmarks/neural_processes.py --curves rbf --minutes 2
    python benchmarks/neural_processes.py --curves sinusoid --only cnp anp

Sinusoids: 10 points without noise. Curves of Gaussian processes: 3 to 30 points
with noise 0.05. Fertility: births by age of a region and year, 5 of 35 points;
trained on the years before 2008, in units of their standard deviation. FOLDER
has `grouped_regression/aus_fertility.csv.gz`.
"""

import argparse
import dataclasses
import os
import pathlib
import time
import warnings

import keras
import numpy as np
import tensorflow as tf
from gradient_learners import TimeBudget
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels

import kerasmeta as km

RATE = 1e-3
BATCH_SIZE = 16
# Of the fitted process as of the learners: no scale below 0.01.
NOISE = kernels.WhiteKernel(1e-2, (1e-4, 1.0))
learn = km.learners


@dataclasses.dataclass
class Curves:
    """A family of curves: what to learn, and with which kernel to compare."""

    train: tf.data.Dataset
    test: tf.data.Dataset
    kernel: kernels.Kernel
    # Of the whole domain, for the grid of the convolutional process.
    width: float = 4.0
    # The kernel that is known to be right, and not fitted.
    true_kernel: kernels.Kernel | None = None


LEARNERS = {
    "cnp": lambda curves: learn.ConditionalNeuralProcess(),
    "np": lambda curves: learn.NeuralProcess(),
    "anp": lambda curves: learn.AttentiveNeuralProcess(),
    "tnp": lambda curves: learn.TransformerNeuralProcess(),
    "convcnp": lambda curves: learn.ConvolutionalNeuralProcess(
        reach=curves.width, points_per_unit=64 / curves.width
    ),
}


def sinusoid(arguments):
    test = km.tasks.Sinusoid(10, 50)
    return Curves(
        km.tasks.Sinusoid(10, 30).episodes(BATCH_SIZE, seed=arguments.seed),
        test.episodes(20, seed=arguments.seed + 1, **frozen(arguments)),
        kernels.ConstantKernel() * kernels.RBF() + NOISE,
        width=10.0,
    )


def gaussian_process(name, kernel):
    """Return a family of curves of a Gaussian process."""

    def make(arguments):
        curves = km.tasks.GaussianProcessCurves(name)
        noise = kernels.WhiteKernel(curves.noise**2)
        return Curves(
            curves.episodes(BATCH_SIZE, seed=arguments.seed),
            curves.episodes(20, seed=arguments.seed + 1, **frozen(arguments)),
            kernels.ConstantKernel() * kernel + NOISE,
            true_kernel=kernel + noise,
        )

    return make


def fertility(arguments):
    frame, is_old = births(arguments.data)

    def episodes(rows, shots, batch_size, seed, **options):
        return km.episodes.episodes_from_table(
            rows,
            km.episodes.EpisodeSpec(shots=shots, queries=25),
            "Rate",
            batch_size,
            seed,
            group=["Region", "Year"],
            features=["Age"],
            **options,
        )

    return Curves(
        episodes(frame[is_old], (3, 10), BATCH_SIZE, arguments.seed),
        episodes(
            frame[~is_old], 5, 20, arguments.seed + 1, **frozen(arguments)
        ),
        kernels.ConstantKernel() * kernels.RBF() + NOISE,
    )


def births(folder):
    """Return the table of births, and which of its rows are to train on.

    `Births` are those per 1,000 women, `Rate` and `Age` what learners take.
    """
    import pandas as pd

    path = pathlib.Path(folder, "grouped_regression", "aus_fertility.csv.gz")
    frame = pd.read_csv(path)
    # "Australia" is the sum of the others.
    frame = frame[frame.Region != "Australia"]
    is_old = frame.Year < 2008
    return frame.assign(
        Births=frame.Rate,
        Rate=standardized(frame.Rate, is_old),
        Age=(frame.Age - 32.0) / 8.5,
    ), is_old


def standardized(values, is_train):
    return (values - values[is_train].mean()) / values[is_train].std()


def frozen(arguments):
    return {"num_episodes": arguments.episodes}


CURVES = {
    "sinusoid": sinusoid,
    "rbf": gaussian_process("rbf", kernels.RBF(0.5)),
    "matern52": gaussian_process("matern52", kernels.Matern(0.5, nu=2.5)),
    # scikit-learn's period and length scale are those of the family.
    "periodic": gaussian_process("periodic", kernels.ExpSineSquared(0.5, 1.0)),
    "fertility": fertility,
}


def fit_process(kernel, x, y, is_fitted=True):
    """Return a Gaussian process of some points, its kernel fitted to them."""
    options = {"optimizer": None}
    if is_fitted:
        options = {"n_restarts_optimizer": 2, "random_state": 0}
    # That a bound of the kernel is the optimum is no matter.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianProcessRegressor(kernel, **options).fit(x, y)


def judge_process(curves, kernel, is_fitted=True):
    """Return log-likelihoods and squared errors of each task."""
    likelihoods, errors = [], []
    for x, query_y in curves.test:
        masks = x.get("support_mask", tf.ones(x["support_y"].shape[:2], "bool"))
        for i, mask in enumerate(masks.numpy()):
            model = fit_process(
                kernel,
                x["support_x"][i].numpy()[mask],
                x["support_y"][i].numpy()[mask, 0],
                is_fitted,
            )
            mean, scale = model.predict(x["query_x"][i], return_std=True)
            y = query_y[i, :, 0].numpy()
            predictions = tf.stack([mean, scale], axis=-1)
            logs = km.ops.gaussian_log_likelihood(y, predictions)
            likelihoods.append(np.mean(logs))
            errors.append(np.mean((mean - y) ** 2))
    return likelihoods, errors


def fitted_process(curves, kernel, is_fitted):
    """Judge a Gaussian process on each task, and return its row."""
    start = time.perf_counter()
    likelihoods, errors = judge_process(curves, kernel, is_fitted)
    seconds = time.perf_counter() - start
    tasks = f"{1000 * seconds / len(errors):.0f} ms a task"
    return [with_interval(likelihoods), "", with_interval(errors), tasks]


def with_interval(values):
    width = 1.96 * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.3f} ± {width:.3f}"


def trained_learner(name, curves, arguments):
    """Train and judge one learner, and return its row."""
    keras.utils.set_random_seed(arguments.seed)
    learner = LEARNERS[name](curves)
    loss = km.losses.GaussianNegativeLogLikelihood()
    optimizer = keras.optimizers.Adam(RATE, global_clipnorm=10.0)
    learner.compile(optimizer, loss)
    budget = TimeBudget(60 * arguments.minutes, RATE)
    learner.fit(
        curves.train, steps_per_epoch=10**7, callbacks=[budget], verbose=0
    )
    # Metrics only now: in training they would cost predictions.
    learner.compile(
        loss=loss,
        metrics=[
            km.metrics.GaussianLogLikelihood(),
            km.metrics.GaussianMeanSquaredError(),
        ],
    )
    logs = learner.evaluate(curves.test, return_dict=True, verbose=0)
    likelihood, error = (
        f"{logs[metric]:.3f} ± {logs[f'{metric}_ci95']:.3f}"
        for metric in ("log_likelihood", "mse")
    )
    joint = joint_likelihood(learner, curves.test)
    return [likelihood, joint, error, f"{budget.steps:,} steps"]


def joint_likelihood(learner, test):
    """Judge all queries of a task together, where it is not the same."""
    if not hasattr(learner, "log_likelihood"):
        return ""
    values = []
    for x, query_y in test:
        masks = x.get("support_mask", tf.ones(x["support_y"].shape[:2], "bool"))
        for i, mask in enumerate(masks):
            state = learner.adapt(x["support_x"][i], x["support_y"][i], mask)
            joint = learner.log_likelihood(state, x["query_x"][i], query_y[i])
            values.append(joint / len(query_y[i]))
    return with_interval(values)


def print_row(*columns):
    print(f"| {' | '.join(columns)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="folder, for fertility")
    parser.add_argument("--curves", nargs="*", choices=CURVES)
    parser.add_argument("--only", nargs="*", choices=LEARNERS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--episodes", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chosen = arguments.curves or [
        name for name in CURVES if name != "fertility" or arguments.data
    ]
    print(
        f"{arguments.minutes:g} minutes each on "
        f"{len(os.sched_getaffinity(0))} cores, TensorFlow {tf.__version__}, "
        f"{arguments.episodes} tasks\n"
    )
    columns = ["log-likelihood", "together", "squared error", "cost"]
    print_row("curves", "learner", *columns)
    print("|---|---|---|---|---|---|")
    for name in chosen:
        curves = CURVES[name](arguments)
        row = fitted_process(curves, curves.kernel, True)
        print_row(name, "Gaussian process, fitted", *row)
        if curves.true_kernel is not None:
            row = fitted_process(curves, curves.true_kernel, False)
            print_row(name, "Gaussian process, true kernel", *row)
        for learner in arguments.only or LEARNERS:
            row = trained_learner(learner, curves, arguments)
            print_row(name, learner, *row)
            keras.backend.clear_session()


if __name__ == "__main__":
    main()
