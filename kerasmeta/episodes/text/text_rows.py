"""Reading texts and their labels from CSV and JSONL files."""

import csv
import io
import json
import os
import pathlib

import numpy as np

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_text_rows(path, columns):
    """Read some columns of a file of texts.

    Args:
        path: File whose suffix is `.csv`, `.tsv` or `.jsonl`, in UTF-8.
        columns: Names of the columns or keys to read.

    Returns:
        `(values, where)`: a list of the values of each column, and a list of
        where each row stands, for messages.
    """
    is_path = isinstance(path, (str, os.PathLike))
    suffix = pathlib.Path(path).suffix.lower() if is_path else None
    if suffix not in (*_DELIMITERS, ".jsonl"):
        raise ValueError(
            "`path` must be a file .csv or .tsv with a line of column names, "
            "or .jsonl with a JSON object in each line. "
            f"Received: path={str(path)!r}"
        )
    path = pathlib.Path(path)
    text = _read_utf8(path)
    if suffix == ".jsonl":
        rows = _json_rows(text, path)
    else:
        rows = _csv_rows(text, _DELIMITERS[suffix], path, columns)
    values, where = [[] for _ in columns], []
    for line, row in rows:
        where.append(f"line {line} of {str(path)!r}")
        for column, found in zip(columns, values):
            found.append(_value(row, column, where[-1]))
    if not where:
        raise ValueError(
            "`path` must be a file with a text in each row. Received: "
            f"path={str(path)!r}, which has no rows"
        )
    return values, where


def check_label_rows(labels, where, column):
    """Raise a `ValueError` if a row has no label, or one of another type.

    Args:
        labels: List of the values of a column.
        where: List of where each of them stands.
        column: Name of the column.
    """
    for label, place in zip(labels, where):
        # A bool is an int to Python, and 1 would be the class of `true`.
        is_label = type(label) in (str, int) and _is_name(label)
        if not is_label or type(label) is not type(labels[0]):
            raise ValueError(
                f"All values of {column!r} must be strings that are not blank "
                "and do not end in NUL, or all must be integers of 64 bits. "
                f"Label or drop this row. Received: {label!r} in {place}"
            )
    return np.array(labels)


def _is_name(label):
    if isinstance(label, int):
        return -(2**63) <= label < 2**63
    # NumPy drops NULs at the end of a string.
    return label.strip() != "" and not label.endswith("\0")


def _read_utf8(path):
    if not path.is_file():
        raise ValueError(
            "`path` must be a file. Received: "
            f"path={str(path)!r}, which is none"
        )
    data = path.read_bytes()
    try:
        # Spreadsheets put a mark before the first column's name.
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            "A file of texts must be in UTF-8. Save it again in this encoding. "
            f"Received: the byte {error.object[error.start]:#04x} in line "
            f"{line} of {str(path)!r}"
        ) from error


def _csv_rows(text, delimiter, path, columns):
    """Yield `(last line, {column: value})` of each row of a CSV file."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True
    )
    rows = filter(None, reader)  # Without blank lines.
    last = 0
    try:
        names = next(rows, [])
        _check_names(names, columns, path)
        last = reader.line_num
        for row in rows:
            if len(row) != len(names):
                raise ValueError(
                    f"Each row must have {len(names)} values, as the first "
                    "line has. Put texts with commas or quotes in double "
                    f"quotes. Received: {len(row)} in line "
                    f"{reader.line_num} of {str(path)!r}"
                )
            last = reader.line_num
            yield last, dict(zip(names, row))
    except csv.Error as error:
        raise ValueError(
            f"{_csv_remedy(error)} Received: the row from line "
            f"{last + 1} on of {str(path)!r}, where {error}"
        ) from error


def _check_names(names, columns, path):
    for column in columns:
        if names.count(column) != 1:
            raise ValueError(
                f"The first line of {str(path)!r} must name a column "
                f"{column!r}, once. Received: columns {names}"
            )


def _csv_remedy(error):
    if "field limit" in str(error):
        return (
            "A value of a CSV file must not be longer than "
            f"{csv.field_size_limit()} characters. Close a quote that is open, "
            "or write long texts to a .jsonl file, which has no limit."
        )
    return (
        "A CSV file must hold rows of values, with texts that contain commas "
        "or quotes in double quotes."
    )


def _json_rows(text, path):
    """Yield `(line, {key: value})` of each line of a JSONL file."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        # A number may be too long, or lists too deep in each other.
        except (ValueError, RecursionError) as error:
            raise ValueError(
                "Each line of a .jsonl file must be JSON. Received: line "
                f"{number} of {str(path)!r}, where {error}"
            ) from error
        if not isinstance(row, dict):
            raise ValueError(
                "Each line of a .jsonl file must be an object "
                '{"text": ..., "label": ...}. Received: line '
                f"{number} of {str(path)!r} is a {type(row).__name__}"
            )
        yield number, row


def _value(row, column, place):
    if column not in row:
        raise ValueError(
            f"Each row must have a value for {column!r}. "
            f"Received: {place} with {sorted(row)}"
        )
    return row[column]
