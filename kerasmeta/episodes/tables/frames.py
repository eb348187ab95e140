"""Columns of a table: clear words about what is in them."""

import os
import pathlib
from collections.abc import Hashable
from collections.abc import Iterable

import numpy as np

from kerasmeta.episodes.tables.csv_file import read_csv


def import_pandas(user):
    """Return pandas, or say how to install what `user` needs."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            f"`{user}` needs pandas. Install it with "
            "`pip install kerasmeta[tables]`."
        ) from error
    return pandas


def as_frame(data, user, name="data"):
    """Return a `DataFrame`, which may be read from the path of a CSV file."""
    pandas = import_pandas(user)
    if isinstance(data, (str, os.PathLike)):
        data = read_csv(pandas, pathlib.Path(data), name)
    if not isinstance(data, pandas.DataFrame):
        raise ValueError(
            f"`{name}` must be a pandas `DataFrame` or the path of a CSV file. "
            f"Received: {name} of type {type(data).__name__}"
        )
    if not len(data):
        raise ValueError(
            f"`{name}` must have at least one row. "
            f"Received: {name}.shape={data.shape}"
        )
    if not data.columns.is_unique:
        repeated = data.columns[data.columns.duplicated()].unique().tolist()
        raise ValueError(
            "Each column must have a name of its own. Rename or drop the "
            f"others. Received: several columns named {repeated} in `{name}`"
        )
    return data


def check_columns(frame, columns, argument, name="data"):
    """Return `columns` as a list of columns of `frame`, one or more."""
    is_one = isinstance(columns, str) or not isinstance(columns, Iterable)
    columns = [columns] if is_one else list(columns)
    if not columns:
        raise ValueError(
            f"`{argument}` must name at least one column. Received: "
            f"{argument}=[]"
        )
    for column in columns:
        if not isinstance(column, Hashable):
            raise ValueError(
                f"`{argument}` must be the name of one column of `{name}`. "
                f"Received: {argument}={column!r}"
            )
        if column not in frame.columns:
            known = [str(known) for known in frame.columns]
            raise ValueError(
                f"`{argument}` must name columns of `{name}`, which has "
                f"{_listed(known)}. Received: {argument}={column!r}"
            )
    if len(set(columns)) < len(columns):
        raise ValueError(
            f"`{argument}` must name each column once. "
            f"Received: {argument}={columns}"
        )
    return columns


def strings(series):
    """Return a column as strings `[n]`, `""` where a value is missing.

    Whole numbers are written without a point, for a gap in a column of
    integers makes them floats.
    """
    values = series.to_numpy(dtype=object)
    gaps = series.isna().to_numpy()
    return np.array(
        ["" if gap else _word(v) for v, gap in zip(values, gaps)], object
    )


def keys(frame, columns, argument, name="data"):
    """Return what tells rows apart: one column, or several made one."""
    columns = check_columns(frame, columns, argument, name)
    gaps = frame[columns].isna()
    if gaps.any(axis=None):
        row, i = np.argwhere(gaps.to_numpy())[0]
        raise ValueError(
            f"`{argument}` needs a value in every row. Drop rows without one: "
            f"`{name}.dropna(subset={columns})`. Received: nothing in "
            f"{gaps.any(axis=1).sum()} of {len(frame)} rows, first in row "
            f"{row}, column {columns[i]!r}"
        )
    if len(columns) == 1:
        return frame[columns[0]].to_numpy()
    rows = frame[columns].itertuples(index=False, name=None)
    return np.array([str(row) for row in rows])


def _word(value):
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value)


def _listed(names, most=20):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
