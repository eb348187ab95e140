"""A picture of one task: what was learned from, and what came of it."""

import numpy as np

from kerasmeta.visualization.curve_drawing import draw_curve
from kerasmeta.visualization.episode_kind import episode_kind
from kerasmeta.visualization.figure import new_figure
from kerasmeta.visualization.image_drawing import draw_images
from kerasmeta.visualization.image_drawing import draw_spectrograms
from kerasmeta.visualization.one_task import one_task
from kerasmeta.visualization.text_drawing import draw_texts

_DRAWINGS = {
    "images": draw_images,
    "spectrogram": draw_spectrograms,
    "text": draw_texts,
    "curve": draw_curve,
}


def plot_episode(
    episodes,
    query_y,
    predictions=None,
    task=0,
    path=None,
    kind="auto",
    decode=None,
):
    """Draw one task: its support set, its queries and their predictions.

    Use it to see what a learner is asked, and where it fails. Episodes of
    images or spectrograms become a grid with one row a class: on the left the
    support examples, on the right the queries, marked right or wrong. Queries
    of none of the classes, with the label -1, have a row of their own and are
    neither. Texts become lines in the same order. Regression episodes with one
    feature become curves over it. Padding, where the masks are false, is not
    drawn. Neither a display nor the global state of `matplotlib.pyplot` is
    touched. In a notebook, run `%matplotlib inline` once to see the returned
    figure.

    Args:
        episodes: Dictionary of a meta-batch with `"support_x"`, `"support_y"`
            and `"query_x"`, and maybe masks. Images are `[T, S, height, width,
            channels]` with 1, 3 or 4 channels, spectrograms `[T, S, frames,
            bands]`, texts strings `[T, S]` or anything that `decode` takes,
            all with integer labels `[T, S]`; regression tasks are `[T, S, 1]`
            with targets of the same size.
        query_y: True labels or targets of the queries, `[T, Q]` or
            `[T, Q, 1]`.
        predictions: What `learner.predict(episodes)` returned, `[T, Q, N]`
            class scores, `[T, Q, 1]` targets or `[T, Q, 2]` means and scales,
            of which a band is drawn, or `None` to leave them out.
        task: Which task of the meta-batch to draw, from 0.
        path: File to write, such as `"episode.png"`, or `None` for no file.
        kind: `"images"`, `"spectrogram"`, `"text"`, `"curve"`, or `"auto"` to
            tell from the shapes. Give it where they mislead: grayscale images
            without an axis of channels are taken for spectrograms, and
            spectrograms with an axis of one channel for images.
        decode: Function from one example, such as an array of token ids, to
            the text to draw.

    Returns:
        The `matplotlib.figure.Figure`.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If the episodes are of another kind, or do not fit the
            other arguments.

    Example:

    >>> spec = km.episodes.EpisodeSpec(ways=5, shots=1, queries=3)
    >>> episodes = km.tasks.Glyphs("test").episodes(spec, batch_size=2)
    >>> x, query_y = next(iter(episodes))
    >>> guesses = np.random.default_rng(0).normal(size=(2, 15, 5))
    >>> figure = km.visualization.plot_episode(x, query_y, guesses, task=1)
    >>> type(figure).__name__
    'Figure'
    """
    data = one_task(episodes, query_y, predictions, task)
    kind = episode_kind(data, kind, decode is not None)
    if kind == "text":
        for key in ("support_x", "query_x"):
            data[key] = _as_texts(data[key], decode)
    figure = new_figure("plot_episode")
    _DRAWINGS[kind](figure, data)
    if path is not None:
        figure.savefig(path, dpi=160)
    return figure


def _as_texts(examples, decode):
    """Return examples as a list of strings."""
    if decode is None:
        decode = np.ndarray.item
    return [_as_text(decode(np.asarray(example))) for example in examples]


def _as_text(value):
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        raise ValueError(
            "`decode` must return a string. "
            f"Received: {value!r} of type {type(value).__name__}"
        )
    return value
