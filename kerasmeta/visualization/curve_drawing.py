"""Drawing a regression task with one feature."""

import numpy as np

from kerasmeta.visualization.page import BLUE
from kerasmeta.visualization.page import MUTED
from kerasmeta.visualization.page import TEXT
from kerasmeta.visualization.page import WRONG


def draw_curve(figure, data):
    """Draw the targets of one task, and the predictions, over its feature.

    Args:
        figure: Empty `matplotlib.figure.Figure`, whose size is set.
        data: Dictionary of the arrays of one task.
    """
    figure.set_size_inches(6.4, 4.0)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    flat = {name: np.ravel(values) for name, values in data.items()}
    order = np.argsort(flat["query_x"])
    x, y = flat["query_x"][order], flat["query_y"][order]
    axes.plot(
        x, y, "o", color=MUTED, markersize=4, markerfacecolor="none",
        label=f"{len(x)} queries, true",
    )  # fmt: skip
    title = f"One task: {len(flat['support_x'])} support points"
    if "predictions" in data:
        predicted = data["predictions"].reshape(len(x), -1)[order]
        label = f"{len(x)} queries, predicted"
        mean, scale = predicted[:, 0], predicted[:, 1:]
        axes.plot(x, mean, ".-", color=BLUE, linewidth=2, label=label)
        if scale.size:
            _draw_band(axes, x, mean, scale[:, 0])
        error = np.mean((mean.astype("float64") - y) ** 2)
        title += f", mean squared error of the queries {error:.3g}"
    axes.plot(
        flat["support_x"], flat["support_y"], "D", color=WRONG, markersize=8,
        markeredgecolor="white", label="support", zorder=3,
    )  # fmt: skip
    axes.set_title(title, fontsize=10, color=TEXT, loc="left")
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    axes.spines[["top", "right"]].set_visible(False)
    columns = 2 if len(axes.get_legend_handles_labels()[0]) > 3 else 3
    figure.legend(loc="outside lower center", ncols=columns, frameon=False)


def _draw_band(axes, x, mean, scale):
    """Draw where a normal distribution has 95 % of its targets."""
    half = 1.96 * scale
    axes.fill_between(
        x, mean - half, mean + half, color=BLUE, alpha=0.15, linewidth=0,
        label="95 % of targets, predicted", zorder=0,
    )  # fmt: skip
