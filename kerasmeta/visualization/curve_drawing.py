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
    if "predictions" in flat:
        predicted = flat["predictions"][order]
        label = f"{len(x)} queries, predicted"
        axes.plot(x, predicted, ".-", color=BLUE, linewidth=2, label=label)
        error = np.mean((predicted.astype("float64") - y) ** 2)
        title += f", mean squared error of the queries {error:.3g}"
    axes.plot(
        flat["support_x"], flat["support_y"], "D", color=WRONG, markersize=8,
        markeredgecolor="white", label="support", zorder=3,
    )  # fmt: skip
    axes.set_title(title, fontsize=10, color=TEXT, loc="left")
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
