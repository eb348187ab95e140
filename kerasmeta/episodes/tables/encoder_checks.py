"""What an encoder of tables cannot be fitted to."""

import numpy as np

from kerasmeta.episodes.tables.cells import is_time
from kerasmeta.episodes.tables.cells import parsed


def check_words(series, column):
    """Raise a `ValueError` if a column is likely to be no categories."""
    is_numeral = parsed(series)
    gaps = series.isna().to_numpy()
    if is_time(series):
        what = f"dates or durations, dtype {series.dtype}"
    elif 2 * is_numeral.sum() > (~gaps).sum() and series.dtype != "category":
        row = int(np.argmin(is_numeral | gaps))
        what = (
            f"{is_numeral.sum()} numerals in {len(series)} rows, and "
            f"{series.iloc[row]!r} in row {row}"
        )
    else:
        return
    raise ValueError(
        f"Column {column!r} does not look like categories. Make numbers of it, "
        f"with NaN for gaps, or name it in `categorical`. Received: {what}"
    )


def check_spread(cells, columns):
    """Raise a `ValueError` if float32 cannot standardise a column."""
    for column, values in zip(columns, cells.T):
        spread = np.std(values)
        # Keras divides by 1e-7 or more; the variance must not overflow.
        if np.ptp(values) and not 1e-7 <= spread <= 1e19:
            raise ValueError(
                "Columns of numbers must have a standard deviation from 1e-7 "
                f"to 1e19, for float32. Scale column {column!r}. "
                f"Received: {spread:.3g}"
            )
