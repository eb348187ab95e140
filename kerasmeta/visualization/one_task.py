"""One task of a meta-batch, as arrays without padding."""

import numpy as np

_KEYS = ("support_x", "support_y", "query_x")


def one_task(episodes, query_y, predictions, task):
    """Return the arrays of one task, or say what does not fit.

    Args:
        episodes: Dictionary of a meta-batch.
        query_y: Labels or targets, `[T, Q, ...]`.
        predictions: Predictions, `[T, Q, ...]`, or `None`.
        task: Which task.
    """
    _check_episodes(episodes)
    data = {key: np.asarray(episodes[key]) for key in _KEYS}
    data["query_y"] = np.asarray(query_y)
    if predictions is not None:
        data["predictions"] = np.asarray(predictions)
    masks = {}
    for key in ("support_mask", "query_mask"):
        if episodes.get(key) is not None:
            masks[key] = np.asarray(episodes[key])
    tasks = len(data["support_x"])
    if not 0 <= task < tasks:
        raise ValueError(
            f"`task` must be at least 0 and less than {tasks}, the number of "
            f"tasks in `episodes`. Received: task={task}"
        )
    _check_sizes({**data, **masks})
    real = {key: mask[task].astype(bool) for key, mask in masks.items()}
    everything = slice(None)
    return {
        key: value[task][
            real.get(
                "support_mask" if key.startswith("support") else "query_mask",
                everything,
            )
        ]
        for key, value in data.items()
    }


def _check_episodes(episodes):
    if not isinstance(episodes, dict) or not set(_KEYS) <= set(episodes):
        received = (
            sorted(episodes) if isinstance(episodes, dict) else type(episodes)
        )
        raise ValueError(
            '`episodes` must be a dictionary with "support_x", "support_y" '
            f'and "query_x". Received: episodes={received}. Pass the `x` of '
            "`x, query_y = next(iter(dataset))`."
        )
    nested = [key for key in _KEYS if isinstance(episodes[key], (dict, tuple))]
    if nested:
        raise ValueError(
            "`plot_episode` draws networks with a single input. Received: "
            f"nested {', '.join(nested)}. Pass the part that is an image."
        )


def _check_sizes(data):
    for first, second in [
        ("support_x", "support_y"),
        ("query_x", "query_y"),
        ("query_y", "predictions"),
        ("support_y", "support_mask"),
        ("query_y", "query_mask"),
    ]:
        if second in data and data[first].shape[:2] != data[second].shape[:2]:
            raise ValueError(
                f"`{first}` and `{second}` must have the same number of tasks "
                "and examples, their first two axes. Received: "
                f"{first} of shape {data[first].shape}, "
                f"{second} of shape {data[second].shape}"
            )
