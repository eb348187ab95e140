"""A picture of one task: what was learned from, and what came of it."""

import numpy as np

from kerasmeta.visualization import drawings


def plot_episode(episodes, query_y, predictions=None, task=0, path=None):
    """Draw one task: its support set, its queries and their predictions.

    Use it to see what a learner is asked, and where it fails. Image episodes
    become a grid with one row a class: on the left the support examples, on
    the right the queries, marked right or wrong. Regression episodes with one
    feature become curves over it. Neither a display nor the global state of
    `matplotlib.pyplot` is touched. In a notebook, run `%matplotlib inline`
    once to see the returned figure.

    Args:
        episodes: Dictionary of a meta-batch with `"support_x"`, `"support_y"`
            and `"query_x"`. Images are `[T, S, height, width, channels]` with
            1, 3 or 4 channels and integer labels `[T, S]`; regression tasks
            are `[T, S, 1]` with targets of the same size.
        query_y: True labels or targets of the queries, `[T, Q]` or
            `[T, Q, 1]`.
        predictions: What `learner.predict(episodes)` returned, `[T, Q, N]`
            class scores or `[T, Q, 1]` targets, or `None` to leave them out.
        task: Which task of the meta-batch to draw, from 0.
        path: File to write, such as `"episode.png"`, or `None` for no file.

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
    data = _one_task(episodes, query_y, predictions, task)
    is_image = _check_kind(data)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "`plot_episode` needs matplotlib. Install it with "
            "`pip install kerasmeta[plots]`."
        ) from error
    figure = Figure(facecolor="white")
    FigureCanvasAgg(figure)
    draw = drawings.draw_images if is_image else drawings.draw_curve
    draw(figure, data)
    if path is not None:
        figure.savefig(path, dpi=160)
    return figure


def _one_task(episodes, query_y, predictions, task):
    """Return the arrays of one task, or say what does not fit."""
    keys = ("support_x", "support_y", "query_x")
    if not isinstance(episodes, dict) or not set(keys) <= set(episodes):
        received = (
            sorted(episodes) if isinstance(episodes, dict) else type(episodes)
        )
        raise ValueError(
            '`episodes` must be a dictionary with "support_x", "support_y" '
            f'and "query_x". Received: episodes={received}. Pass the `x` of '
            "`x, query_y = next(iter(dataset))`."
        )
    nested = [key for key in keys if isinstance(episodes[key], (dict, tuple))]
    if nested:
        raise ValueError(
            "`plot_episode` draws networks with a single input. Received: "
            f"nested {', '.join(nested)}. Pass the part that is an image."
        )
    data = {key: np.asarray(episodes[key]) for key in keys}
    data["query_y"] = np.asarray(query_y)
    if predictions is not None:
        data["predictions"] = np.asarray(predictions)
    if episodes.get("support_mask") is not None:
        data["mask"] = np.asarray(episodes["support_mask"])
    tasks = len(data["support_x"])
    if not 0 <= task < tasks:
        raise ValueError(
            f"`task` must be at least 0 and less than {tasks}, the number of "
            f"tasks in `episodes`. Received: task={task}"
        )
    for first, second in [
        ("support_x", "support_y"),
        ("query_x", "query_y"),
        ("query_y", "predictions"),
    ]:
        if second in data and data[first].shape[:2] != data[second].shape[:2]:
            raise ValueError(
                f"`{first}` and `{second}` must have the same number of tasks "
                "and examples, their first two axes. Received: "
                f"{first} of shape {data[first].shape}, "
                f"{second} of shape {data[second].shape}"
            )
    data = {key: value[task] for key, value in data.items()}
    mask = data.pop("mask", None)
    if mask is not None:
        real = mask.astype(bool)
        data["support_x"] = data["support_x"][real]
        data["support_y"] = data["support_y"][real]
    return data


def _check_kind(data):
    """Return whether a task is of images, or a `ValueError` if of no kind."""
    shape, y = data["support_x"].shape, data["support_y"]
    predicted = data.get("predictions")
    is_class = y.ndim == 1 and y.dtype.kind in "iu"
    if len(shape) == 4 and shape[-1] in (1, 3, 4) and is_class:
        if predicted is not None and (
            predicted.ndim != 2 or predicted.shape[-1] < 2
        ):
            raise ValueError(
                "`predictions` for images must hold a score for each class, "
                "`[T, Q, ways]`. Received, for one task: predictions of shape "
                f"{predicted.shape}. Pass what `learner.predict` returned."
            )
        return True
    is_curve = len(shape) == 2 and shape[-1] == 1 and y.dtype.kind == "f"
    targets = [y, data["query_y"]] + ([] if predicted is None else [predicted])
    if is_curve and all(t.shape in {(len(t),), (len(t), 1)} for t in targets):
        return False
    raise ValueError(
        "`plot_episode` draws images, `[T, S, height, width, channels]` with "
        "1, 3 or 4 channels and integer labels `[T, S]`, and regression on "
        "one feature, `[T, S, 1]` with float targets. Received, for one task: "
        f"support_x of shape {shape}, support_y of shape {y.shape} and dtype "
        f"{y.dtype}, query_y of shape {data['query_y'].shape}. Reshape the "
        "examples to images, or choose one feature."
    )
