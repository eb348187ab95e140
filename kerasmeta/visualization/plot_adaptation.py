"""A picture of what inner steps are worth."""

import numpy as np

from kerasmeta.visualization.figure import new_figure
from kerasmeta.visualization.page import BLUE
from kerasmeta.visualization.page import TEXT


def plot_adaptation(curve, name="loss", path=None):
    """Draw the loss or a metric over the number of inner steps.

    Use it on the `curve` of `km.callbacks.AdaptationCurve`. Metrics have a
    band, their 95 % confidence interval over tasks.

    Args:
        curve: Dictionary from numbers of steps to dictionaries of results, as
            `evaluate(return_dict=True)` gives them.
        name: Which of the results to draw.
        path: File to write, such as `"curve.png"`, or `None` for no file.

    Returns:
        The `matplotlib.figure.Figure`.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If there is no such result.

    Example:

    >>> curve = {
    ...     0: {"accuracy": 0.2, "accuracy_ci95": 0.02},
    ...     1: {"accuracy": 0.7, "accuracy_ci95": 0.05},
    ... }
    >>> figure = km.visualization.plot_adaptation(curve, "accuracy")
    >>> figure.axes[0].get_ylabel()
    'accuracy'
    """
    names = {key for results in curve.values() for key in results}
    if name not in names:
        raise ValueError(
            f"`name` must be one of the results {sorted(names)}. "
            f"Received: name={name!r}"
        )
    steps = sorted(curve)
    values = np.array([curve[k][name] for k in steps])
    figure = new_figure("plot_adaptation")
    figure.set_size_inches(6.4, 4.0)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    axes.plot(steps, values, ".-", color=BLUE, linewidth=2)
    title = f"{name} of the queries by inner steps"
    if f"{name}_ci95" in names:
        half = np.array([curve[k][f"{name}_ci95"] for k in steps])
        axes.fill_between(
            steps, values - half, values + half, color=BLUE, alpha=0.15,
            linewidth=0,
        )  # fmt: skip
        title += ", 95 % interval over tasks"
    axes.set_title(title, fontsize=10, color=TEXT, loc="left")
    axes.set_xticks(steps)
    axes.set_xlabel("inner steps")
    axes.set_ylabel(name)
    axes.spines[["top", "right"]].set_visible(False)
    if path is not None:
        figure.savefig(path, dpi=160)
    return figure
