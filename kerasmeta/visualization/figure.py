"""Figures without a display."""

import numpy as np


def new_figure(function):
    """Return an empty figure that is drawn into memory.

    Args:
        function: Name of the function that needs it.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            f"`{function}` needs matplotlib. Install it with "
            "`pip install kerasmeta[plots]`."
        ) from error
    figure = Figure(facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def figure_pixels(figure):
    """Return a figure as an image, `uint8 [height, width, 4]`."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())
