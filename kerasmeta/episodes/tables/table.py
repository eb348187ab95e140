"""Episodes from a table, such as a CSV file."""

import numpy as np
import tensorflow as tf

from kerasmeta.episodes.array_checks import check_arrays
from kerasmeta.episodes.array_checks import check_labels
from kerasmeta.episodes.array_source import array_loader
from kerasmeta.episodes.class_index import ClassIndex
from kerasmeta.episodes.pipeline import source_episodes
from kerasmeta.episodes.source import Source
from kerasmeta.episodes.tables.cells import numbers
from kerasmeta.episodes.tables.frames import as_frame
from kerasmeta.episodes.tables.frames import check_columns
from kerasmeta.episodes.tables.frames import keys
from kerasmeta.episodes.tables.frames import strings

_REMEDY = (
    "For gaps and strings, pass `encoder=km.episodes.table_encoder(...)`, or "
    "leave the column out of `features`."
)


def episodes_from_table(
    data,
    spec,
    target,
    batch_size=4,
    seed=0,
    num_episodes=None,
    features=None,
    group=None,
    encoder=None,
    raw=False,
    **options,
):
    """Make a dataset of episodes from the rows of a table.

    Classification, with a spec that has `ways`: the classes are the values of
    the column `target`. Regression, with a spec without: each value of the
    column `group` is a task (a patient, a school, a region), and `target` is
    what is predicted in it. How episodes are drawn is described in
    `episodes_from_arrays`.

    Args:
        data: `DataFrame`, or path of a CSV file (`.csv`, `.csv.gz`), which is
            read as `pandas.read_csv` does.
        spec: `EpisodeSpec`, the size of an episode, or `Curriculum`.
        target: Name of the column to predict.
        batch_size: Number of episodes in a meta-batch, `T`.
        seed: Non-negative integer. Another seed gives other episodes.
        num_episodes: Number of episodes, or `None` for an endless dataset.
        features: Names of the columns to predict from; by default those of the
            `encoder`, or else all but `target` and `group`.
        group: Name of the column, or list of names of columns that together
            tell tasks apart, for regression; for classification, which group
            a class belongs to, for `spec.within_groups`.
        encoder: Model from a dictionary of columns to examples, such as
            `table_encoder` returns. It is applied to all rows once.
        raw: Whether examples are the raw columns that `encoder` takes, a
            dictionary of `[T, S, 1]`, for a network that begins with it.
        **options: As in `episodes_from_arrays`.

    Returns:
        A `tf.data.Dataset` of `(episodes, query_y)`, as in
        `episodes_from_arrays`; examples are float32 vectors `[D]` in the order
        of `features`, and targets of regression are float32 `[T, Q, 1]`.

    Raises:
        ImportError: If pandas is not installed.
        ValueError: If a column does not exist or a cell is not what it should
            be; the row and the column are named. Rows are counted from 0, as
            `data.iloc` does.

    Example:

    >>> import pandas as pd
    >>> data = pd.DataFrame({
    ...     "cow": np.repeat(["B01", "B02", "B03"], 8),
    ...     "week": np.tile(np.arange(8), 3),
    ...     "protein": np.linspace(3.0, 4.0, 24),
    ... })
    >>> spec = km.episodes.EpisodeSpec(shots=3, queries=5)
    >>> episodes = km.episodes.episodes_from_table(
    ...     data, spec, target="protein", group="cow", batch_size=2
    ... )
    >>> x, query_y = next(iter(episodes))
    >>> x["support_x"].shape, query_y.shape
    (TensorShape([2, 3, 1]), TensorShape([2, 5, 1]))
    """
    frame = as_frame(data, "episodes_from_table")
    [target] = check_columns(frame, [target], "target")
    groups = None if group is None else _names(frame, group, "group")
    if getattr(spec, "is_regression", False):
        index, load_targets = _tasks(frame, target, groups)
    else:
        index = ClassIndex(_names(frame, [target], "target"), groups)
        load_targets = None
    if encoder is None:
        if features is None:
            features = _other_columns(frame, target, group)
        examples = _vectors(frame, features, target, raw)
    else:
        examples = _encoded(frame, features, target, encoder, raw)
    source = Source(index, array_loader(examples), load_targets, "data")
    return source_episodes(
        source, spec, batch_size, seed, num_episodes, **options
    )


def _names(frame, columns, argument):
    return check_labels(keys(frame, columns, argument), f"data[{columns!r}]")


def _tasks(frame, target, groups):
    if groups is None:
        raise ValueError(
            "Regression tasks are groups of rows: pass `group=`, the column "
            "that tells tasks apart, or give the spec a number of `ways`. "
            "Received: group=None"
        )
    remedy = "Drop the rows that have no target, and choose a numeric column."
    targets = numbers(frame, [target], remedy)
    return ClassIndex(groups), array_loader(targets)


def _other_columns(frame, target, group):
    groups = [] if group is None else check_columns(frame, group, "group")
    return [c for c in frame.columns if c not in [target, *groups]]


def _vectors(frame, features, target, raw):
    if raw:
        raise ValueError(
            "`raw=True` gives the columns that an encoder takes: pass "
            "`encoder=`, too. Received: raw=True, encoder=None"
        )
    features = _check_inputs(frame, features, target, "features")
    return numbers(frame, features, _REMEDY)


def _check_inputs(frame, columns, target, argument):
    columns = check_columns(frame, columns, argument)
    if target in columns:
        raise ValueError(
            f"`{argument}` must not use the column that is to be predicted. "
            f"Received: target={target!r}, {argument} with {columns}"
        )
    return columns


def _encoded(frame, features, target, encoder, raw):
    inputs = getattr(encoder, "input", None)
    if not isinstance(inputs, dict) or features is not None:
        raise ValueError(
            "`encoder` must be a functional model of a dictionary of columns, "
            "such as `table_encoder` returns. It decides which `features` "
            "there are: leave those out. "
            f"Received: encoder={encoder!r}, features={features!r}"
        )
    _check_inputs(frame, inputs, target, "encoder")
    remedy = "The encoder takes numbers here."
    columns = {
        name: strings(frame[name])[:, None]
        if tensor.dtype == "string"
        else numbers(frame, [name], remedy, missing=True)
        for name, tensor in inputs.items()
    }
    if raw:
        return columns
    encoded = encoder(tf.nest.map_structure(tf.constant, columns))
    return check_arrays(
        tf.nest.map_structure(np.asarray, encoded), len(frame), "encoder(data)"
    )
