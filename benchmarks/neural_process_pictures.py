"""Draws pictures of what neural processes predict.

Curves: trains each neural process on curves of a Gaussian process, for as many
steps, and draws what it predicts of one unseen curve: mean, band of 95 %, and
some functions where it can draw them. Births: trains one on births by age of
the years before 2008, and draws what it predicts from five points of three
curves of the years after, besides a Gaussian process that is fitted to them.
Glyphs and Omniglot: trains one on drawings, and lets it fill in the pixels of
characters that it never saw. Prints the log-likelihood of unseen tasks before
and after training.

    python benchmarks/neural_process_pictures.py curves
    python benchmarks/neural_process_pictures.py glyphs
    python benchmarks/neural_process_pictures.py births --data FOLDER
    python benchmarks/neural_process_pictures.py omniglot --data FOLDER

FOLDER has `grouped_regression/aus_fertility.csv.gz` and
`omniglot/omniglot_background_28_u8.npz`.
"""

import argparse
import pathlib

import keras
import numpy as np
import omniglot
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from neural_processes import LEARNERS
from neural_processes import Curves
from neural_processes import births
from neural_processes import fertility
from neural_processes import fit_process
from neural_processes import judge_process
from PIL import Image

import kerasmeta as km

BLUE, ORANGE, GRAY = "#0B62A4", "#D1480A", "#6B6B6B"
# Of the waves that describe the place of a pixel.
FREQUENCIES = np.pi * 2.0 ** np.arange(-1, 4)
PLACES = ("support_x", "query_x")
TITLES = {
    "cnp": "ConditionalNeuralProcess",
    "np": "NeuralProcess, 6 samples",
    "anp": "AttentiveNeuralProcess, 6 samples",
    "tnp": "TransformerNeuralProcess",
    "convcnp": "ConvolutionalNeuralProcess",
}


def trained(learner, train, test, steps, rate=1e-3):
    """Train a learner; return its log-likelihood before and after."""
    loss = km.losses.GaussianNegativeLogLikelihood()
    schedule = keras.optimizers.schedules.CosineDecay(rate, steps)
    learner.compile(keras.optimizers.Adam(schedule, global_clipnorm=10.0), loss)
    before = learner.evaluate(test, verbose=0)
    learner.fit(train, steps_per_epoch=steps, verbose=0)
    return [-float(before), -float(learner.evaluate(test, verbose=0))]


def draw_curves(arguments):
    curves = km.tasks.GaussianProcessCurves("rbf")
    train = curves.episodes(16, seed=0)
    test = curves.episodes(16, seed=1, num_episodes=160)
    task, truth = km.tasks.GaussianProcessCurves(
        "rbf", shots=7, queries=200
    ).task(tf.constant([2, arguments.task], "int64"))
    family = Curves(train, test, kernel=None)
    panels = {}
    for name, build in LEARNERS.items():
        keras.utils.set_random_seed(0)
        learner = build(family)
        logs = trained(learner, train, test, arguments.steps)
        print(f"{name}: log-likelihood {logs[0]:.2f} -> {logs[1]:.2f}")
        panels[name] = (learner, logs[1])
    panels["exact"] = (exact_process(curves, task), None)

    figure = new_figure(12.0, 6.6)
    axes = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    for ax, (name, (learner, log)) in zip(axes, panels.items()):
        draw_panel(ax, learner, task, truth)
        title = TITLES.get(name, "The Gaussian process itself")
        ax.set_title(
            title if log is None else f"{title}\nlog-likelihood {log:.2f}",
            fontsize=10, loc="left",
        )  # fmt: skip
    add_legend(figure, axes[1])
    return figure


def exact_process(curves, task):
    """Return a function like a learner's prediction, of the true process."""
    x, y = (tf.cast(task[f"support_{k}"], "float64") for k in "xy")
    noise = curves.noise**2
    inverse = tf.linalg.inv(
        curves.covariance(x, x) + noise * tf.eye(len(x), dtype=x.dtype)
    )

    def predict(query_x):
        query_x = tf.cast(query_x, x.dtype)
        cross = curves.covariance(query_x, x)
        gain = cross @ inverse
        variance = 1 + noise - tf.reduce_sum(gain * cross, axis=1)
        return tf.concat([gain @ y, tf.sqrt(variance)[:, None]], axis=1)

    return predict


def draw_panel(ax, learner, task, truth):
    grid = tf.linspace([-2.0], [2.0], 201)
    support = task["support_x"], task["support_y"]
    if isinstance(learner, keras.Model):
        state = learner.adapt(*support)
        predictions = learner.predict_query(state, grid)
    else:
        predictions = learner(grid)
    x = grid[:, 0].numpy()
    mean, scale = (t[:, 0] for t in km.ops.split_gaussian(predictions.numpy()))
    draw_band(ax, x, mean, scale)
    if isinstance(learner, km.learners.LatentProcessLearner):
        functions = learner.sample(state, grid, num_samples=6)[..., 0]
        for i, function in enumerate(functions):
            label = "functions, drawn" if i == 0 else None
            ax.plot(x, function, color=BLUE, linewidth=0.7, label=label)
    draw_points(ax, (task["query_x"], truth), support, markersize=2)
    ax.set_ylim(-3, 3)


def draw_band(ax, x, mean, scale):
    ax.fill_between(
        x, mean - 1.96 * scale, mean + 1.96 * scale, color=BLUE, alpha=0.15,
        linewidth=0, label="95 %, predicted",
    )  # fmt: skip
    ax.plot(x, mean, color=BLUE, linewidth=2, label="mean, predicted")


def draw_points(ax, true, support, markersize):
    ax.plot(*true, ".", color=GRAY, markersize=markersize, label="true")
    ax.plot(
        *support, "D", color=ORANGE, markeredgecolor="white", markersize=7,
        label="support", zorder=3,
    )  # fmt: skip
    ax.spines[["top", "right"]].set_visible(False)


def add_legend(figure, ax):
    figure.legend(
        *ax.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=5,
        frameon=False,
    )


def draw_births(arguments):
    curves = fertility(arguments)
    keras.utils.set_random_seed(0)
    learner = LEARNERS["convcnp"](curves)
    logs = trained(learner, curves.train, curves.test, arguments.steps)
    print(f"births: log-likelihood {logs[0]:.2f} -> {logs[1]:.2f}")
    likelihoods, _ = judge_process(curves, curves.kernel)
    titles = [
        f"ConvolutionalNeuralProcess, log-likelihood {logs[1]:.2f}",
        "Gaussian process, fitted to the five points, log-likelihood "
        f"{np.mean(likelihoods):.2f}",
    ]
    figure = new_figure(9.0, 5.6)
    rows = figure.subfigures(2, 1, hspace=0.02)
    for row, title in zip(rows, titles):
        row.suptitle(title, fontsize=10, x=0.06, ha="left")
    panels = [row.subplots(1, 3, sharex=True, sharey=True) for row in rows]
    for column, curve in zip(zip(*panels), unseen_births(arguments)):
        draw_curve(column, curve, learner, curves.kernel)
    for row in panels:
        row[0].set_ylabel("births per 1,000 women")
    for ax in panels[-1]:
        ax.set_xlabel("age")
    add_legend(figure, panels[0][0])
    return figure


def unseen_births(arguments):
    """Return three curves at random, each with five points to support."""
    frame, is_old = births(arguments.data)
    old = frame[is_old].Births
    groups = list(frame[~is_old].groupby(["Region", "Year"]))
    generator = np.random.default_rng(arguments.task)
    for i in generator.choice(len(groups), 3, replace=False):
        name, rows = groups[i]
        chosen = np.sort(generator.choice(len(rows), 5, replace=False))
        yield name, rows, chosen, (old.mean(), old.std())


def draw_curve(axes, curve, learner, kernel):
    (region, year), rows, chosen, (center, unit) = curve
    x, y = (rows[[name]].to_numpy("float32") for name in ("Age", "Rate"))
    support = x[chosen], y[chosen]
    grid = np.linspace(x.min(), x.max(), 201, dtype="float32")[:, None]
    state = learner.adapt(*map(tf.constant, support))
    predictions = learner.predict_query(state, tf.constant(grid)).numpy()
    process = fit_process(kernel, support[0], support[1][:, 0])
    ages, births_ = 32 + 8.5 * x, rows.Births.to_numpy()
    for ax, (mean, scale) in zip(
        axes, [predictions.T, process.predict(grid, return_std=True)]
    ):
        age = 32 + 8.5 * grid[:, 0]
        draw_band(ax, age, center + unit * mean, unit * scale)
        draw_points(
            ax, (ages, births_), (ages[chosen], births_[chosen]), markersize=4
        )
        ax.set_ylim(-40, 200)
    axes[0].set_title(f"{region}, {year}", fontsize=9, loc="left")


def draw_glyphs(arguments):
    ids = tf.range(1000, dtype="int64")
    train, test = (
        km.tasks.Glyphs(split).drawings(ids[:count], ids[:count])
        for split, count in [("train", 1000), ("test", 160)]
    )
    return draw_pixels(broad(train), broad(test), arguments)


def draw_omniglot(arguments):
    folder = pathlib.Path(arguments.data, "omniglot")
    path = folder / "omniglot_background_28_u8.npz"
    (train, _), (test, _) = omniglot.load(path)
    generator = np.random.default_rng(arguments.task)
    test = test[generator.choice(len(test), 160, replace=False)]
    return draw_pixels(broad(train / 255), broad(test / 255), arguments)


def broad(images):
    """Return drawings of half the size, with a pen three times as broad.

    Of thin lines, a pixel says too little about the next to be learned soon.
    """
    images = tf.cast(images, "float32")
    return tf.nn.max_pool2d(images, 3, 2, "SAME").numpy()


def draw_pixels(train, test, arguments):
    """Train on some drawings, and draw how the first of others are filled."""
    spec = km.episodes.EpisodeSpec(shots=(20, 98), queries=98)
    episodes = [
        km.episodes.episodes_from_pixels(images, spec, 8, seed, number).map(
            lambda x, y: ({**x, **{k: waves(x[k]) for k in PLACES}}, y)
        )
        for images, seed, number in [(train, 0, None), (test, 1, 160)]
    ]
    keras.utils.set_random_seed(0)
    # A longer latent vector learns before the attention does, and alone.
    learner = km.learners.AttentiveNeuralProcess(
        input_size=2 + 4 * len(FREQUENCIES),
        latent_size=4,
        samples=4,
        minimum_scale=0.1,
    )
    logs = trained(learner, *episodes, arguments.steps, rate=2e-3)
    print(f"{arguments.picture}: log-likelihood {logs[0]:.2f} -> {logs[1]:.2f}")

    counts = (24, 98)
    figure = new_figure(8.4, 5.2)
    axes = figure.subplots(4, 1 + 3 * len(counts))
    for row, image in zip(axes, test):
        draw_image(row[0], image)
        for panels, count in zip(np.split(row[1:], len(counts)), counts):
            seen, mean, scale = filled_in(learner, image, count)
            draw_image(panels[0], seen)
            draw_image(panels[1], mean)
            draw_image(panels[2], scale, "magma", 0.5)
    titles = ["true"]
    for count in counts:
        titles += [f"{count} of 196 pixels", "mean", "deviation"]
    for ax, title in zip(axes[0], titles):
        ax.set_title(title, fontsize=9)
    return figure


def waves(places):
    """Return coordinates and their sines and cosines, `[..., 22]`.

    By them attention finds out sooner which pixels are near.
    """
    angles = tf.concat([places * f for f in FREQUENCIES], axis=-1)
    return tf.concat([places, tf.sin(angles), tf.cos(angles)], axis=-1)


def filled_in(learner, image, count):
    """Return the pixels that are given, others NaN; mean and scale of all."""
    height, width, _ = image.shape
    places = waves(km.episodes.pixel_coordinates(height, width))
    values = image.reshape(-1, 1)
    chosen = np.random.default_rng(0).permutation(len(values))[:count]
    state = learner.adapt(
        tf.gather(places, chosen), tf.constant(values[chosen])
    )
    parts = km.ops.split_gaussian(learner.predict_query(state, places))
    seen = np.full_like(values, np.nan)
    seen[chosen] = values[chosen]
    return [np.reshape(part, image.shape) for part in (seen, *parts)]


def draw_image(ax, image, colors="gray", most=1.0):
    ax.set_facecolor("#B9CFE2")
    ax.imshow(image, cmap=colors, vmin=0, vmax=most)
    ax.set_xticks([])
    ax.set_yticks([])


def new_figure(width, height):
    figure = Figure((width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure, path):
    """Write a picture of 256 colors, a third of the size of the file."""
    figure.set_dpi(100)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    Image.fromarray(pixels).quantize(256).save(path, optimize=True)


DRAW = {
    "curves": draw_curves,
    "births": draw_births,
    "glyphs": draw_glyphs,
    "omniglot": draw_omniglot,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("picture", choices=DRAW)
    parser.add_argument("--data", help="folder of births and Omniglot")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--task", type=int, default=0)
    parser.add_argument("--path")
    # What `fertility` reads.
    parser.set_defaults(seed=0, episodes=160)
    arguments = parser.parse_args()
    if arguments.picture in ("births", "omniglot") and not arguments.data:
        parser.error(f"{arguments.picture} needs --data FOLDER")
    path = arguments.path or f"docs/pictures/process_{arguments.picture}.png"
    save(DRAW[arguments.picture](arguments), path)


if __name__ == "__main__":
    main()
