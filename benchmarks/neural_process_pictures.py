"""Draws pictures of what neural processes predict.

Trains each neural process on curves of a Gaussian process, for as many steps,
and draws what it predicts of one unseen curve: mean, band of 95 %, and some
functions where it can draw them. Then trains one on glyphs, and lets it fill in
their pixels. Prints the log-likelihood before and after training.

    python benchmarks/neural_process_pictures.py curves
    python benchmarks/neural_process_pictures.py glyphs
"""

import argparse

import keras
import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from neural_processes import LEARNERS
from neural_processes import Curves

import kerasmeta as km

BLUE, ORANGE, GRAY = "#0B62A4", "#D1480A", "#6B6B6B"
TITLES = {
    "cnp": "ConditionalNeuralProcess",
    "np": "NeuralProcess, 6 samples",
    "anp": "AttentiveNeuralProcess, 6 samples",
    "tnp": "TransformerNeuralProcess",
    "convcnp": "ConvolutionalNeuralProcess",
}


def trained(learner, train, test, steps):
    """Train a learner; return its log-likelihood before and after."""
    loss = km.losses.GaussianNegativeLogLikelihood()
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, steps)
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
    figure.legend(
        *axes[1].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=5,
        frameon=False,
    )
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
    mean, scale = (t[:, 0] for t in km.ops.split_gaussian(predictions.numpy()))
    x = grid[:, 0].numpy()
    ax.fill_between(
        x, mean - 1.96 * scale, mean + 1.96 * scale, color=BLUE, alpha=0.15,
        linewidth=0, label="95 %, predicted",
    )  # fmt: skip
    ax.plot(x, mean, color=BLUE, linewidth=2, label="mean, predicted")
    if isinstance(learner, km.learners.LatentProcessLearner):
        functions = learner.sample(state, grid, num_samples=6)[..., 0]
        for i, function in enumerate(functions):
            label = "functions, drawn" if i == 0 else None
            ax.plot(x, function, color=BLUE, linewidth=0.7, label=label)
    ax.plot(
        task["query_x"], truth, ".", color=GRAY, markersize=2, label="true",
    )  # fmt: skip
    ax.plot(
        *support, "D", color=ORANGE, markeredgecolor="white", markersize=7,
        label="support", zorder=3,
    )  # fmt: skip
    ax.set_ylim(-3, 3)
    ax.spines[["top", "right"]].set_visible(False)


def glyph_images(split, count):
    """Return one drawing each of some characters, `[count, 28, 28, 1]`."""
    ids = tf.range(count, dtype="int64")
    return km.tasks.Glyphs(split).drawings(ids, ids).numpy()


def draw_glyphs(arguments):
    spec = km.episodes.EpisodeSpec(shots=(20, 300), queries=100)
    images = glyph_images("test", 20)
    train, test = (
        km.episodes.episodes_from_pixels(pixels, spec, 8, seed, number)
        for pixels, seed, number in [
            (glyph_images("train", 1000), 0, None),
            (images, 1, 80),
        ]
    )
    keras.utils.set_random_seed(0)
    learner = km.learners.AttentiveNeuralProcess(
        input_size=2, minimum_scale=0.05, samples=4
    )
    logs = trained(learner, train, test, arguments.steps)
    print(f"glyphs: log-likelihood {logs[0]:.2f} -> {logs[1]:.2f}")

    counts = (20, 100, 300)
    figure = new_figure(9.0, 5.4)
    axes = figure.subplots(4, 1 + 2 * len(counts))
    for row, image in zip(axes, images[:4]):
        draw_image(row[0], image[..., 0], "true")
        for i, count in enumerate(counts):
            seen, filled = filled_in(learner, image, count)
            draw_image(row[1 + 2 * i], seen, f"{count} pixels")
            draw_image(row[2 + 2 * i], filled, "mean")
    for ax in axes[1:].ravel():
        ax.set_title("")
    return figure


def filled_in(learner, image, count):
    """Return the pixels that are given, others NaN, and the mean of all."""
    coordinates = km.episodes.pixel_coordinates(28, 28)
    values = image.reshape(-1, 1)
    chosen = np.random.default_rng(0).permutation(len(values))[:count]
    state = learner.adapt(
        tf.constant(coordinates[chosen]), tf.constant(values[chosen])
    )
    predictions = learner.predict_query(state, tf.constant(coordinates))
    seen = np.full(len(values), np.nan)
    seen[chosen] = values[chosen, 0]
    mean, _ = km.ops.split_gaussian(predictions)
    return seen.reshape(28, 28), mean.numpy().reshape(28, 28)


def draw_image(ax, image, title):
    ax.set_facecolor("#B9CFE2")
    ax.imshow(image, cmap="gray", vmin=0, vmax=1)
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_title(title, fontsize=9)


def new_figure(width, height):
    figure = Figure((width, height), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("picture", choices=["curves", "glyphs"])
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--task", type=int, default=0)
    parser.add_argument("--path")
    arguments = parser.parse_args()
    draw = draw_curves if arguments.picture == "curves" else draw_glyphs
    path = arguments.path or f"docs/pictures/process_{arguments.picture}.png"
    draw(arguments).savefig(path, dpi=100)


if __name__ == "__main__":
    main()
