"""Random access to the records of TFRecord files."""

import pathlib
import struct

import numpy as np

# A record is its length (uint64) and a checksum of it, the data, and another
# checksum.
_LENGTH = struct.Struct("<Q4x")
_CHECKSUM_BYTES = 4


class RecordIndex:
    """Reads records of TFRecord files by their number.

    TFRecord files are made to be read from the beginning. One pass over the
    lengths of their records, without reading the records, finds where each
    begins.

    Args:
        parts: What to read of which file, in order: tuples `(path, number of
            records to skip, number to take, number in the file)`. Files must be
            on a local disk.

    Raises:
        ValueError: If a file is not there, is cut off, or holds another number
            of records.
    """

    def __init__(self, parts):
        self.paths = [str(part[0]) for part in parts]
        taken = []
        for path, (_, skip, take, total) in zip(self.paths, parts):
            found = _find_records(path)
            if len(found) != total:
                raise ValueError(
                    f"A TFRecord file must hold {total} records, as its data "
                    "set says. Prepare the data set again. "
                    f"Received: {path!r}, which holds {len(found)}"
                )
            taken.append(found[skip : skip + take])
        lengths = [len(found) for found in taken]
        self.files = np.repeat(np.arange(len(taken)), lengths)
        # (num_records, 2), where each begins and its length.
        self.places = np.concatenate([np.empty((0, 2), "int64"), *taken])

    def __len__(self):
        return len(self.files)

    def read(self, ids):
        """Return the records of these numbers, a vector of `bytes`."""
        records = np.empty(len(ids), dtype=object)
        for number in np.unique(self.files[ids]):
            # Opened anew, for a file has one position and a pipeline many
            # threads.
            with open(self.paths[number], "rb") as file:
                for row in np.flatnonzero(self.files[ids] == number):
                    start, length = self.places[ids[row]]
                    file.seek(start)
                    records[row] = file.read(length)
        return records


def _find_records(path):
    """Return start and length of the records of a file, `[n, 2]`."""
    if not pathlib.Path(path).is_file():
        raise ValueError(
            "The TFRecord files of a data set must be on a local disk. "
            f"Prepare or copy it there. Received: {path!r}"
        )
    size = pathlib.Path(path).stat().st_size
    places, position = [], 0
    # Unbuffered, or each of the jumps would read a buffer full.
    with open(path, "rb", buffering=0) as file:
        while position < size:
            file.seek(position)
            header = file.read(_LENGTH.size)
            start = position + _LENGTH.size
            length = (
                _LENGTH.unpack(header)[0]
                if len(header) == _LENGTH.size
                else size
            )
            position = start + length + _CHECKSUM_BYTES
            if position > size:
                raise ValueError(
                    "A TFRecord file must hold whole records, uncompressed. "
                    "Prepare the data set again. "
                    f"Received: {path!r}, which is cut off in record "
                    f"{len(places)}"
                )
            places.append((start, length))
    return np.array(places, "int64").reshape(-1, 2)
