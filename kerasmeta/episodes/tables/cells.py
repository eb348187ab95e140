"""Numbers in the columns of a table."""

import decimal
import numbers as kinds

import numpy as np

_REAL = (kinds.Real, decimal.Decimal, np.bool_)


def is_number(series):
    """Return whether a column holds real numbers, truth values, and gaps."""
    from pandas.api import types

    if series.dtype == object:
        values = series.dropna()
        return len(values) > 0 and all(map(_is_real, values))
    return types.is_numeric_dtype(series) and not types.is_complex_dtype(series)


def is_time(series):
    """Return whether a column holds dates or durations."""
    return series.dtype.kind in "mM"


def numbers(frame, columns, remedy, missing=False, name="data"):
    """Return numeric columns as float32 `[n, D]`.

    Args:
        frame: The `DataFrame`.
        columns: Names of the columns.
        remedy: What to do about a cell that holds something else.
        missing: Whether NaN is welcome.
        name: What the table is called.
    """
    for column in columns:
        _check_column(frame[column], column, remedy, name)
    exact = [_to_floats(frame[column]) for column in columns]
    with np.errstate(over="ignore"):  # Becomes infinite, seen below.
        cells = np.stack(exact, axis=1).astype("float32")
    check_cells(cells, columns, remedy, missing, name)
    for i, column in enumerate(columns):
        is_integer = frame[column].dtype.kind in "iu"
        _check_rounding(exact[i], cells[:, i], is_integer, column, name)
    return cells


def check_cells(cells, columns, remedy, missing=False, name="data"):
    """Raise a `ValueError` that names the first bad cell of `[n, D]`."""
    bad = np.isinf(cells) if missing else ~np.isfinite(cells)
    if bad.any():
        row, i = np.argwhere(bad)[0]
        what = "infinity" if missing else "NaN or infinity"
        raise ValueError(
            f"`{name}` must hold finite float32 numbers. {remedy} Received: "
            f"{what} in {bad.any(axis=1).sum()} of {len(cells)} rows, first "
            f"{cells[row, i]} in row {row}, column {columns[i]!r}"
        )


def parsed(series):
    """Return which cells are numbers, or strings that are numerals, `[n]`."""
    import pandas

    words = series.astype(object).map(
        lambda value: value if isinstance(value, (str, *_REAL)) else None
    )
    return pandas.to_numeric(words, errors="coerce").notna().to_numpy()


def _is_real(value):
    return isinstance(value, _REAL)


def _to_floats(series):
    # Integers of 64 bits fit into a long double.
    dtype = "longdouble" if series.dtype.kind in "iu" else "float64"
    return series.to_numpy(dtype, na_value=np.nan)


def _check_column(series, column, remedy, name):
    """Raise a `ValueError` that names the first cell that is no number."""
    if is_number(series):
        return
    row = 0
    if is_time(series):
        remedy = (
            "Make days of dates first: "
            f"`({name}[{column!r}] - {name}[{column!r}].min()) / "
            "pandas.Timedelta(days=1)`."
        )
    elif series.dtype.kind == "O" and series.notna().any():
        row = _first_other(series)
    raise ValueError(
        f"Column {column!r} of `{name}` must hold numbers. {remedy} "
        f"Received: {series.iloc[row]!r} in row {row}, dtype {series.dtype}"
    )


def _first_other(series):
    """Return the row of the first value that is no number."""
    is_other = series.notna().to_numpy() & ~parsed(series)
    if not is_other.any():  # Then all are strings that look like numbers.
        is_other = [isinstance(value, str) for value in series]
    return int(np.argmax(is_other))


def _check_rounding(exact, rounded, is_integer, column, name):
    """Raise a `ValueError` if float32 makes other numbers of a column."""
    rows = np.flatnonzero(np.isfinite(exact))
    if not len(rows) or not np.ptp(exact[rows]):
        return
    error = np.abs(rounded[rows].astype(exact.dtype) - exact[rows])
    # Of measurements, digits get lost that do not matter.
    allowed = 0 if is_integer else 1e-3 * np.std(exact[rows])
    if np.sqrt(np.mean(error**2)) > allowed:
        row = rows[np.argmax(error)]
        or_floats = (
            ", or make it floats if digits may get lost: `.astype('float64')`"
        )
        raise ValueError(
            "Numbers become float32, which has 24 bits. Subtract the minimum "
            f"of column {column!r} of `{name}` first, or scale it"
            f"{or_floats if is_integer else ''}. Received: {exact[row]} in row "
            f"{row}, which would become {rounded[row]:.10g}"
        )
