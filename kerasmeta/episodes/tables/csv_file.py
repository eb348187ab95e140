"""Reading CSV files, without guesses."""

import warnings
import zlib

# pandas would open archives too, which may be encrypted or hold many files.
_SUFFIXES = (".csv", ".csv.gz")
# What decoders and decompressors raise of a damaged file.
_DAMAGE = (
    ValueError,
    EOFError,
    OSError,
    MemoryError,
    OverflowError,
    zlib.error,
)


def read_csv(pandas, path, name):
    """Return the `DataFrame` of a CSV file, or say what is wrong with it.

    Args:
        pandas: The module.
        path: `pathlib.Path` of the file, `.csv` or `.csv.gz`.
        name: What the table is called.
    """
    received = f"Received: {name}={str(path)!r}"
    if not path.is_file():
        raise ValueError(
            f"`{name}` must be a `DataFrame` or the path of a CSV file. "
            f"{received}, and there is no such file"
        )
    if not path.name.lower().endswith(_SUFFIXES):
        raise ValueError(
            f"`{name}` must be a file {' or '.join(_SUFFIXES)}. Rename it, "
            "unpack it, or read it in your own way, and pass the `DataFrame`. "
            f"{received}"
        )
    try:
        names = _read_names(pandas, path)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pandas.errors.ParserWarning)
            frame = pandas.read_csv(path, index_col=False)
    except pandas.errors.ParserWarning as error:
        raise ValueError(
            "Each row of a CSV file must have as many values as its first line "
            f"has names, {len(names)}. Name all columns, or remove those "
            f"without a name. {received}, in which rows have more"
        ) from error
    except _DAMAGE as error:
        raise ValueError(
            f"`{name}` must be a CSV file in UTF-8, with a line of names at "
            "its top (or read it in your own way, and pass the `DataFrame`). "
            f"{received}. pandas says: {error}"
        ) from error
    repeated = sorted({n for n in names if n and names.count(n) > 1})
    if repeated:
        raise ValueError(
            "Each column must have a name of its own. Rename one of them in "
            f"the first line. {received} with several columns named {repeated}"
        )
    return frame


def _read_names(pandas, path):
    """Return the first line as it is: pandas renames what is there twice."""
    first = pandas.read_csv(
        path, header=None, nrows=1, dtype=str, keep_default_na=False
    )
    return first.iloc[0].tolist()
