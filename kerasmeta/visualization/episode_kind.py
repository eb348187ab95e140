"""What kind of examples a task has, and so how it is drawn."""

from kerasmeta.utils import check_choice

_KINDS = ("auto", "images", "spectrogram", "text", "curve")


def episode_kind(data, kind="auto", has_decode=False):
    """Return the kind of a task, or a `ValueError` if it is of none.

    Args:
        data: Dictionary of the arrays of one task.
        kind: The kind that is asked for, or `"auto"`.
        has_decode: Whether examples can be decoded to texts.
    """
    check_choice("kind", kind, _KINDS)
    fits = {
        "text": _is_text(data, has_decode),
        "images": _is_images(data),
        "spectrogram": _is_spectrogram(data),
        "curve": _is_curve(data),
    }
    if kind == "auto":
        # Of what has no axis of channels, a spectrogram is more likely.
        order = ["text", "spectrogram", "images", "curve"]
        if data["support_x"].ndim == 4:
            order = ["text", "images", "curve"]
        kind = next((name for name in order if fits[name]), None)
    if kind is None or not fits[kind]:
        raise ValueError(_message(data))
    if kind != "curve":
        _check_scores(data)
    return kind


def _has_classes(data):
    y = data["support_y"]
    return y.ndim == 1 and y.dtype.kind in "iu" and data["query_y"].ndim == 1


def _is_number(data):
    return data["support_x"].dtype.kind in "buif"


def _is_text(data, has_decode):
    x = data["support_x"]
    is_string = x.dtype.kind in "OSU" and x.shape in {(len(x),), (len(x), 1)}
    return _has_classes(data) and (has_decode or is_string)


def _is_images(data):
    shape = data["support_x"].shape
    has_channels = len(shape) == 4 and shape[-1] in (1, 3, 4)
    return (
        _has_classes(data)
        and _is_number(data)
        and (has_channels or len(shape) == 3)
    )


def _is_spectrogram(data):
    shape = data["support_x"].shape
    is_flat = len(shape) == 3 or (len(shape) == 4 and shape[-1] == 1)
    return _has_classes(data) and _is_number(data) and is_flat


def _is_curve(data):
    x, y = data["support_x"], data["support_y"]
    targets = [y, data["query_y"]]
    predicted = data.get("predictions", y)
    return (
        x.ndim == 2
        and x.shape[-1] == 1
        and y.dtype.kind == "f"
        and all(_is_column(t) for t in targets)
        # Of a distribution, the mean and the scale.
        and (_is_column(predicted) or predicted.shape[1:] == (2,))
    )


def _is_column(targets):
    return targets.shape in {(len(targets),), (len(targets), 1)}


def _check_scores(data):
    predicted = data.get("predictions")
    if predicted is None or (predicted.ndim == 2 and predicted.shape[-1] >= 2):
        return
    raise ValueError(
        "`predictions` for classes must hold a score for each class, "
        "`[T, Q, ways]`. Received, for one task: predictions of shape "
        f"{predicted.shape}. Pass what `learner.predict` returned."
    )


def _message(data):
    x, y = data["support_x"], data["support_y"]
    return (
        "`plot_episode` draws images, `[T, S, height, width, channels]` with "
        '1, 3 or 4 channels (or none, with `kind="images"`), spectrograms '
        "`[T, S, frames, bands]`, strings `[T, S]`, all with integer labels "
        "`[T, S]`, and regression on one feature, `[T, S, 1]` with float "
        "targets. Received, for one task: "
        f"support_x of shape {x.shape} and dtype {x.dtype}, support_y of shape "
        f"{y.shape} and dtype {y.dtype}, query_y of shape "
        f"{data['query_y'].shape}. Reshape the examples, choose one feature, "
        "or give token ids a `decode` function."
    )
