"""What all pictures of tasks share: a page, its colours and its words."""

import dataclasses

import numpy as np

# The most examples of a class that are still legible side by side.
MAX_SHOTS = 5
MAX_QUERIES = 8
# Green and red, and blue, that colour-blind readers tell apart, too.
RIGHT, WRONG, BLUE = "#008F68", "#D1480A", "#0B62A4"
TEXT, MUTED, FRAME = "#222222", "#6B6B6B", "#BBBBBB"


@dataclasses.dataclass(frozen=True)
class ClassRows:
    """The examples of a task that are shown, one row a class.

    Args:
        labels: The classes.
        support: Ids of the support examples that are shown, for each class.
        queries: Ids of the queries that are shown, for each class.
        guesses: Predicted class of each query, or `None`.
        caption: Lines that say how much is shown and how much is right.
    """

    labels: np.ndarray
    support: list
    queries: list
    guesses: np.ndarray | None
    caption: list


def class_rows(data):
    """Return the `ClassRows` of a task."""
    support_y, query_y = data["support_y"], data["query_y"]
    labels = np.union1d(support_y, query_y)
    support = [np.flatnonzero(support_y == n)[:MAX_SHOTS] for n in labels]
    queries = [np.flatnonzero(query_y == n)[:MAX_QUERIES] for n in labels]
    guesses = data.get("predictions")
    if guesses is not None:
        guesses = np.argmax(guesses, axis=-1)
    caption = _caption(support, queries, support_y, query_y, guesses)
    return ClassRows(labels, support, queries, guesses, caption)


def page_axes(figure, width, depth, inches):
    """Return axes that fill a figure, measured from its upper left.

    Args:
        figure: Empty `matplotlib.figure.Figure`, whose size is set.
        width: Width of the page in units.
        depth: Height of the page in units.
        inches: What a unit is.
    """
    figure.set_size_inches(width * inches, depth * inches)
    axes = figure.add_axes([0, 0, 1, 1])
    axes.set_axis_off()
    axes.set_autoscale_on(False)
    axes.set_xlim(0, width)
    axes.set_ylim(depth, 0)
    return axes


def write(axes, x, y, text, size=9, color=TEXT, **kwargs):
    """Write a text, and return it."""
    kwargs.setdefault("va", "center")
    # A price in dollars is no formula.
    return axes.text(
        x, y, text, fontsize=size, color=color, parse_math=False, **kwargs
    )


def write_caption(axes, x, y, step, lines):
    """Write the lines of a caption."""
    for i, line in enumerate(lines):
        write(axes, x, y + step * i, line, size=8, color=MUTED)


def class_name(label):
    """Return what a row is called; the label -1 is that of no class."""
    return f"class {label}" if label >= 0 else "no class"


def judge(guess, label):
    """Return the mark and the colour of a query."""
    if label < 0:
        return f"→ {guess}", MUTED
    return ("✓", RIGHT) if guess == label else (f"✗ {guess}", WRONG)


def draw_frame(axes, x, y, width, height, color, linewidth):
    """Draw a rectangle."""
    axes.plot(
        [x, x + width, x + width, x, x],
        [y, y, y + height, y + height, y],
        color=color, linewidth=linewidth, solid_joinstyle="miter",
    )  # fmt: skip


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
    return [_score(guesses, query_y), f"{shown}."]


def _score(guesses, query_y):
    """Say how many queries are right, of those that belong to a class."""
    known = query_y >= 0
    right, total = int(np.sum((guesses == query_y)[known])), int(np.sum(known))
    if not total:
        return "All queries belong to no class."
    score = f"Right: {right} of all {total} ({right / total:.1%})"
    others = len(query_y) - total
    return f"{score}, besides {others} of no class." if others else f"{score}."
