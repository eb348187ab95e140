"""Numbers and pictures for TensorBoard."""

import importlib.util
import warnings

import tensorflow as tf

from kerasmeta.visualization.figure import figure_pixels
from kerasmeta.visualization.plot_adaptation import plot_adaptation
from kerasmeta.visualization.plot_episode import plot_episode


class Board:
    """Writes what a callback found into a folder that TensorBoard reads.

    Where matplotlib is not installed, it warns and leaves pictures out.

    Args:
        log_dir: The folder.

    Raises:
        ImportError: If tensorboard is not installed.
    """

    def __init__(self, log_dir):
        if not hasattr(tf.summary, "scalar"):
            raise ImportError(
                "`log_dir` needs tensorboard. Install it with "
                "`pip install kerasmeta[tensorboard]`."
            )
        self._writer = tf.summary.create_file_writer(str(log_dir))
        self._draws = importlib.util.find_spec("matplotlib") is not None
        if not self._draws:
            warnings.warn(
                "TensorBoard gets numbers only, because pictures need "
                "matplotlib. Install it with `pip install kerasmeta[plots]`.",
                stacklevel=3,
            )

    def write_numbers(self, numbers, step):
        """Write a dictionary of numbers."""
        with self._writer.as_default(step):
            for name, value in numbers.items():
                tf.summary.scalar(name, value)
        self._writer.flush()

    def draw_curve(self, curve, prefix, step):
        """Draw the loss and each metric over the inner steps.

        Args:
            curve: Dictionary from numbers of steps to dictionaries of results.
            prefix: What the names of the pictures begin with.
            step: Number of the epoch.
        """
        if not self._draws:
            return
        for name in next(iter(curve.values())):
            if not name.endswith("_ci95"):
                figure = plot_adaptation(curve, name)
                self._draw(f"{prefix}{name}_by_step", figure, step)

    def draw_episode(self, learner, episodes, prefix, step):
        """Draw the first episode and what a learner predicts for it."""
        if not self._draws:
            return
        x, query_y = next(iter(episodes))[:2]
        predictions = learner.predict(x, verbose=0)
        try:
            figure = plot_episode(x, query_y, predictions)
        except ValueError:
            return  # Of no kind that can be drawn.
        self._draw(f"{prefix}episode", figure, step)

    def _draw(self, name, figure, step):
        with self._writer.as_default(step):
            tf.summary.image(name, figure_pixels(figure)[None])
        self._writer.flush()
