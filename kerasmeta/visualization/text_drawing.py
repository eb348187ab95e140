"""Drawing a task of texts, as lines under the names of their classes."""

import numpy as np

from kerasmeta.visualization.page import FRAME
from kerasmeta.visualization.page import RIGHT
from kerasmeta.visualization.page import WRONG
from kerasmeta.visualization.page import class_name
from kerasmeta.visualization.page import class_rows
from kerasmeta.visualization.page import judge
from kerasmeta.visualization.page import page_axes
from kerasmeta.visualization.page import write
from kerasmeta.visualization.page import write_caption

# A page is measured in inches.
_LINE = 0.19
_LEFT, _TOP = 0.85, 0.55
_WIDTH = 4.1
_MIDDLE = _LEFT + _WIDTH + 0.3
_MARK = 0.45


def draw_texts(figure, data):
    """Draw a block of lines for each class: support left, queries right.

    Args:
        figure: Empty `matplotlib.figure.Figure`, whose size is set.
        data: Dictionary of the arrays of one task; texts are strings, `[n]`.
    """
    rows = class_rows(data)
    is_judged = rows.guesses is not None
    lines = [max(map(len, ids)) for ids in zip(rows.support, rows.queries)]
    tops = _TOP + np.cumsum([0, *(_LINE * n + 0.12 for n in lines)])
    end = tops[-1] + (0.32 if is_judged else 0.08)
    width = _MIDDLE + _WIDTH + 0.15 + (_MARK if is_judged else 0)
    depth = end + 0.18 * (len(rows.caption) + 1)
    axes = page_axes(figure, width, depth, inches=1.0)
    for x, title in [(_LEFT, "Support"), (_MIDDLE, "Queries")]:
        write(axes, x, 0.2, title, size=10, weight="bold")
    is_cut = False
    for row, label in enumerate(rows.labels):
        top = tops[row]
        ends = [0.15, width - 0.15]
        axes.plot(ends, [top - 0.15] * 2, color=FRAME, linewidth=0.8)
        write(axes, _LEFT - 0.12, top, class_name(label), ha="right")
        for line, i in enumerate(rows.support[row]):
            y = top + _LINE * line
            is_cut |= _write_line(axes, _LEFT, y, data["support_x"][i])
        for line, i in enumerate(rows.queries[row]):
            y = top + _LINE * line
            x = _MIDDLE
            if is_judged:
                mark, color = judge(rows.guesses[i], label)
                write(axes, x, y, mark, color=color, weight="bold")
                x += _MARK
            is_cut |= _write_line(axes, x, y, data["query_x"][i])
    if is_judged:
        _draw_key(axes, _LEFT, tops[-1])
    caption = [*rows.caption, *["Longer texts end in “…”."] * is_cut]
    write_caption(axes, _LEFT, end, 0.18, caption)


def _write_line(axes, x, y, text):
    """Write a text in one line, and return whether it had to be cut."""
    text = " ".join(text.split()) or "(no text)"
    artist = write(axes, x, y, text, size=8)
    figure = axes.figure
    renderer = figure.canvas.get_renderer()
    limit = _WIDTH * figure.dpi
    kept = text
    while (extent := artist.get_window_extent(renderer).width) > limit:
        # As many characters as their mean width lets hope for.
        count = min(len(kept) - 1, int(len(kept) * limit / extent))
        kept = kept[: max(count, 1)]
        artist.set_text(f"{kept.rstrip()}…")
    return kept != text


def _draw_key(axes, x, y):
    """Say what the symbols of the queries mean."""
    write(axes, x, y, "✓ right", size=8, color=RIGHT)
    text = "✗ n  wrong: taken for class n"
    write(axes, x + 0.9, y, text, size=8, color=WRONG)
