"""How `plot_episode` draws a task, on a matplotlib figure that it is given."""

import numpy as np

# The most examples of a class that are still legible side by side.
MAX_SHOTS = 5
MAX_QUERIES = 8
# Green and red, and blue, that colour-blind readers tell apart, too.
_RIGHT, _WRONG, _BLUE = "#008F68", "#D1480A", "#0B62A4"
_TEXT, _MUTED, _FRAME = "#222222", "#6B6B6B", "#BBBBBB"
# A grid is measured in widths of an image, which is this many inches wide.
_INCHES = 0.72
_STEP = 1.1
_LEFT, _TOP = 1.0, 0.8


def draw_images(figure, data):
    """Draw a grid with one row a class: support left, queries right.

    Args:
        figure: Empty `matplotlib.figure.Figure`, whose size is set.
        data: Dictionary of the arrays of one task.
    """
    support_y, query_y = data["support_y"], data["query_y"]
    labels = np.union1d(support_y, query_y)
    support = [np.flatnonzero(support_y == n)[:MAX_SHOTS] for n in labels]
    queries = [np.flatnonzero(query_y == n)[:MAX_QUERIES] for n in labels]
    columns = [max(map(len, support)), max(map(len, queries))]
    support_x, query_x = _displayable(data["support_x"], data["query_x"])
    guesses = data.get("predictions")
    if guesses is not None:
        guesses = np.argmax(guesses, axis=-1)

    height = query_x.shape[1] / query_x.shape[2]
    pitch = height + (0.14 if guesses is None else 0.4)
    middle = _LEFT + _STEP * columns[0] + 0.5
    width = max(middle + _STEP * columns[1] + 0.15, 7.6)
    bottom = _TOP + pitch * len(labels)
    end = bottom + (0.1 if guesses is None else 0.48)
    axes = _grid_axes(figure, width, end + 0.5)
    for x, title in [(_LEFT, "Support"), (middle, "Queries")]:
        _write(axes, x, 0.28, title, size=10, weight="bold")
    for row, label in enumerate(labels):
        y = _TOP + pitch * row
        _write(axes, _LEFT - 0.15, y + height / 2, f"class {label}", ha="right")
        for column, i in enumerate(support[row]):
            _draw_image(axes, support_x[i], _LEFT + _STEP * column, y)
        for column, i in enumerate(queries[row]):
            x = middle + _STEP * column
            if guesses is None:
                _draw_image(axes, query_x[i], x, y)
            else:
                _draw_judged(axes, query_x[i], x, y, guesses[i], label)
    if guesses is not None:
        _draw_key(axes, _LEFT, bottom + 0.12)
    lines = _caption(support, queries, support_y, query_y, guesses)
    for i, line in enumerate(lines):
        _write(axes, _LEFT, end + 0.25 * i, line, size=8, color=_MUTED)


def draw_curve(figure, data):
    """Draw the targets of one task, and the predictions, over its feature."""
    figure.set_size_inches(6.4, 4.0)
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    flat = {name: np.ravel(values) for name, values in data.items()}
    order = np.argsort(flat["query_x"])
    x, y = flat["query_x"][order], flat["query_y"][order]
    axes.plot(
        x, y, "o", color=_MUTED, markersize=4, markerfacecolor="none",
        label=f"{len(x)} queries, true",
    )  # fmt: skip
    title = f"One task: {len(flat['support_x'])} support points"
    if "predictions" in flat:
        predicted = flat["predictions"][order]
        label = f"{len(x)} queries, predicted"
        axes.plot(x, predicted, ".-", color=_BLUE, linewidth=2, label=label)
        error = np.mean((predicted.astype("float64") - y) ** 2)
        title += f", mean squared error of the queries {error:.3g}"
    axes.plot(
        flat["support_x"], flat["support_y"], "D", color=_WRONG, markersize=8,
        markeredgecolor="white", label="support", zorder=3,
    )  # fmt: skip
    axes.set_title(title, fontsize=10, color=_TEXT, loc="left")
    axes.set_xlabel("x")
    axes.set_ylabel("y")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)


def _displayable(*images):
    """Return images with values in 0..1, all by the same scale."""
    if images[0].dtype == np.uint8:
        return [image / 255.0 for image in images]
    low = min(0.0, *(float(image.min()) for image in images))
    high = max(float(image.max()) for image in images)
    # Values in 0..1 stay as they are; others, such as standardized ones, are
    # stretched to it.
    high = 1.0 if low == 0.0 and high <= 1.0 else high
    return [(image - low) / ((high - low) or 1.0) for image in images]


def _grid_axes(figure, width, depth):
    """Return axes that fill the figure, measured from its upper left."""
    figure.set_size_inches(width * _INCHES, depth * _INCHES)
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set_xlim(0, width)
    axes.set_ylim(depth, 0)
    return axes


def _write(axes, x, y, text, size=9, color=_TEXT, **kwargs):
    kwargs.setdefault("va", "center")
    axes.text(x, y, text, fontsize=size, color=color, **kwargs)


def _draw_image(axes, image, x, y, color=_FRAME, linewidth=0.8):
    height = image.shape[0] / image.shape[1]
    axes.imshow(
        image, cmap="gray", vmin=0, vmax=1, aspect="auto",
        extent=(x, x + 1, y + height, y),
    )  # fmt: skip
    _draw_frame(axes, x, y, 1, height, color, linewidth)


def _draw_frame(axes, x, y, width, height, color, linewidth):
    axes.plot(
        [x, x + width, x + width, x, x],
        [y, y, y + height, y + height, y],
        color=color, linewidth=linewidth, solid_joinstyle="miter",
    )  # fmt: skip


def _draw_judged(axes, image, x, y, guess, label):
    right = guess == label
    color = _RIGHT if right else _WRONG
    _draw_image(axes, image, x, y, color, linewidth=2.2)
    mark = "✓" if right else f"✗ {guess}"
    _write(
        axes, x + 0.5, y - 0.16, mark, size=9, color=color, ha="center",
        weight="bold",
    )  # fmt: skip


def _draw_key(axes, x, y):
    """Say what the colours and symbols of the queries mean."""
    _draw_frame(axes, x, y - 0.11, 0.22, 0.22, _RIGHT, 2.2)
    _write(axes, x + 0.36, y, "✓ right", size=8, color=_RIGHT)
    _draw_frame(axes, x + 1.5, y - 0.11, 0.22, 0.22, _WRONG, 2.2)
    text = "✗ n  wrong: taken for class n"
    _write(axes, x + 1.86, y, text, size=8, color=_WRONG)


def _caption(support, queries, support_y, query_y, guesses):
    """Say how much of the task is shown, and how many queries are right."""
    count, total = sum(map(len, queries)), len(query_y)
    shown = f"Shown: {count} of {total} queries"
    if count < total:
        shown += f" (the first {MAX_QUERIES} of each class)"
    support_count = sum(map(len, support))
    if support_count < len(support_y):
        shown += f", {support_count} of {len(support_y)} support examples"
    if guesses is None:
        return [f"{shown}."]
    right = int(np.sum(guesses == query_y))
    return [
        f"Right: {right} of all {total} ({right / total:.1%}).",
        f"{shown}.",
    ]
