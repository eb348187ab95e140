"""Drawing a task of images or spectrograms, as a grid."""

import numpy as np

from kerasmeta.visualization.page import FRAME
from kerasmeta.visualization.page import RIGHT
from kerasmeta.visualization.page import WRONG
from kerasmeta.visualization.page import class_name
from kerasmeta.visualization.page import class_rows
from kerasmeta.visualization.page import draw_frame
from kerasmeta.visualization.page import judge
from kerasmeta.visualization.page import page_axes
from kerasmeta.visualization.page import write
from kerasmeta.visualization.page import write_caption

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
    images = _displayable(data["support_x"], data["query_x"])
    height = images[1].shape[1] / images[1].shape[2]
    rows = class_rows(data)
    _draw_grid(figure, rows, images, height, rows.caption, "gray")


def draw_spectrograms(figure, data):
    """Draw spectrograms `[n, frames, bands]` likewise, time to the right.

    Args:
        figure: Empty `matplotlib.figure.Figure`, whose size is set.
        data: Dictionary of the arrays of one task.
    """
    images = [
        np.swapaxes(x.reshape(x.shape[:3]), 1, 2)[:, ::-1]
        for x in _stretched(data["support_x"], data["query_x"])
    ]
    # Long recordings stay legible, and short ones stay small.
    height = np.clip(images[1].shape[1] / images[1].shape[2], 0.5, 1.0)
    rows = class_rows(data)
    caption = [*rows.caption, "Time runs to the right, low bands are below."]
    _draw_grid(figure, rows, images, height, caption, "magma")


def _draw_grid(figure, rows, images, height, caption, cmap):
    support_x, query_x = images
    columns = [max(map(len, ids)) for ids in (rows.support, rows.queries)]
    is_judged = rows.guesses is not None
    pitch = height + (0.4 if is_judged else 0.14)
    middle = _LEFT + _STEP * columns[0] + 0.5
    width = max(middle + _STEP * columns[1] + 0.15, 7.6)
    bottom = _TOP + pitch * len(rows.labels)
    end = bottom + (0.48 if is_judged else 0.1)
    depth = end + 0.25 * len(caption)
    axes = page_axes(figure, width, depth, _INCHES)
    for x, title in [(_LEFT, "Support"), (middle, "Queries")]:
        write(axes, x, 0.28, title, size=10, weight="bold")
    for row, label in enumerate(rows.labels):
        y = _TOP + pitch * row
        write(axes, _LEFT - 0.15, y + height / 2, class_name(label), ha="right")
        for column, i in enumerate(rows.support[row]):
            x = _LEFT + _STEP * column
            _draw_image(axes, support_x[i], (x, y, height), cmap)
        for column, i in enumerate(rows.queries[row]):
            place = (middle + _STEP * column, y, height)
            if is_judged:
                guess = rows.guesses[i]
                _draw_judged(axes, query_x[i], place, cmap, guess, label)
            else:
                _draw_image(axes, query_x[i], place, cmap)
    if is_judged:
        _draw_key(axes, _LEFT, bottom + 0.12)
    write_caption(axes, _LEFT, end, 0.25, caption)


def _draw_image(axes, image, place, cmap, color=FRAME, linewidth=0.8):
    x, y, height = place
    axes.imshow(
        image, cmap=cmap, vmin=0, vmax=1, aspect="auto",
        extent=(x, x + 1, y + height, y),
    )  # fmt: skip
    draw_frame(axes, x, y, 1, height, color, linewidth)


def _draw_judged(axes, image, place, cmap, guess, label):
    mark, color = judge(guess, label)
    _draw_image(axes, image, place, cmap, color, linewidth=2.2)
    x, y, _ = place
    write(
        axes, x + 0.5, y - 0.16, mark, color=color, ha="center", weight="bold"
    )


def _draw_key(axes, x, y):
    """Say what the colours and symbols of the queries mean."""
    draw_frame(axes, x, y - 0.11, 0.22, 0.22, RIGHT, 2.2)
    write(axes, x + 0.36, y, "✓ right", size=8, color=RIGHT)
    draw_frame(axes, x + 1.5, y - 0.11, 0.22, 0.22, WRONG, 2.2)
    text = "✗ n  wrong: taken for class n"
    write(axes, x + 1.86, y, text, size=8, color=WRONG)


def _displayable(*images):
    """Return images with values in 0..1, all by the same scale."""
    if images[0].dtype == np.uint8:
        return [image / 255.0 for image in images]
    low = min(float(image.min()) for image in images)
    high = max(float(image.max()) for image in images)
    # Values in 0..1 stay as they are; others, such as standardized ones, are
    # stretched to it.
    if low >= 0.0 and high <= 1.0:
        return list(images)
    return _stretched(*images, low=min(0.0, low))


def _stretched(*images, low=None):
    """Return images whose values fill 0..1, all by the same scale."""
    if low is None:
        low = min(float(image.min()) for image in images)
    high = max(float(image.max()) for image in images)
    return [(image - low) / ((high - low) or 1.0) for image in images]
