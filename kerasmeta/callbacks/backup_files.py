"""Files that are whole or not there, and say so when they are damaged."""

import contextlib
import json
import os
import pathlib
import warnings
import zipfile

import numpy as np
import tensorflow as tf

_KEPT = 2


class BackupFiles:
    """The last two backups in a folder.

    A backup is an `.npz` of arrays and of a JSON text `about`: a zip file,
    whose checksums tell whether it is whole. It gets its name when all of it is
    on the disk, so that a process that dies while it writes leaves the backup
    before untouched.

    Args:
        folder: Path of the folder; made when the first backup is written.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._good = []

    def write(self, number, about, arrays):
        """Write a backup; later ones have higher numbers.

        Args:
            number: Non-negative integer.
            about: What JSON can hold.
            arrays: Dictionary of arrays.

        Raises:
            OSError: If it cannot be written, as on a full disk.
        """
        path = self.folder / f"backup-{number:012d}.npz"
        begun = path.with_suffix(".tmp")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(begun, "wb") as file:
                write_backup(file, about, arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(begun, path)
            self._sync_folder()
        except OSError as error:
            # Half a file would take the room that the next one needs.
            with contextlib.suppress(OSError):
                begun.unlink()
            raise OSError(
                error.errno,
                f"No backup could be written to {str(self.folder)!r}: "
                f"{error.strerror}. {self.describe()} Make room, and call "
                "`fit` again",
            ) from error
        self._keep(path)

    def read(self):
        """Return `(about, arrays)` of the newest whole backup, or `None`.

        Raises:
            ValueError: If there are backups, and all are damaged.
            OSError: If one cannot be read, which is no damage: it would be
                deleted later.
        """
        self._good = []
        paths = sorted(self.folder.glob("backup-*.npz"), reverse=True)
        for path in paths:
            try:
                backup = _read_file(path)
            except _Damage as error:
                warnings.warn(
                    f"The backup {str(path)!r} is damaged ({error}). The one "
                    "before it is used, if there is one.",
                    stacklevel=2,
                )
            else:
                self._good = [path]
                return backup
        if paths:
            raise ValueError(
                "All backups are damaged. Delete the folder to train from the "
                f"beginning. Received: backup_dir={str(self.folder)!r} with "
                f"{[path.name for path in paths]}"
            )
        return None

    def delete(self):
        """Delete all backups, and the folder if nothing else is in it."""
        self._good = []
        self._delete_others()
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _keep(self, path):
        self._good = [p for p in self._good if p != path][1 - _KEPT :] + [path]
        self._delete_others()

    def _delete_others(self):
        for pattern in ("backup-*.npz", "backup-*.tmp"):
            for path in self.folder.glob(pattern):
                if path not in self._good:
                    # Workers may share a folder, and clear away the same.
                    path.unlink(missing_ok=True)

    def describe(self):
        """Say which backup there is."""
        if not self._good:
            return "There is no backup from before."
        return f"The backup before it, {str(self._good[-1])!r}, is kept."

    def _sync_folder(self):
        """Have the new name on the disk, too."""
        # Not every file system can; the backup is written all the same.
        with contextlib.suppress(OSError):
            descriptor = os.open(self.folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


class _Damage(Exception):
    """What a file holds is no backup."""


def _read_file(path):
    """Return `(about, arrays)`, or raise `_Damage` if that is what is wrong."""
    try:
        with open(path, "rb") as file:
            # Parsers call it damage, too, when a disk fails.
            while file.read(2**20):
                pass
    except OSError as error:
        raise OSError(
            error.errno,
            f"The backup {str(path)!r} cannot be read: {error.strerror}. It "
            "may be whole, so nothing is trained. Mend that, and call `fit` "
            "again",
        ) from error
    try:
        return read_backup(path)
    # Of a damaged file, NumPy raises whatever its parsers do.
    except Exception as error:
        if isinstance(error, MemoryError) and _has_checksums(path):
            raise
        raise _Damage(str(error)) from error


def _has_checksums(path):
    """Whether all bytes are as they were written; it needs little memory."""
    try:
        with zipfile.ZipFile(path) as file:
            return file.testzip() is None
    except Exception:
        return False


def write_backup(file, about, arrays):
    """Write a backup to a file that is open."""
    # A damaged directory of a zip file may lack files, and look whole.
    dtypes = {name: array.dtype.name for name, array in arrays.items()}
    text = json.dumps({"about": about, "dtypes": dtypes})
    np.savez(file, about=np.array(text), **arrays)


def read_backup(file):
    """Return `(about, arrays)` of a backup, given its path or open file.

    Of a damaged one it raises whatever NumPy's parsers do.
    """
    with np.load(file, allow_pickle=False) as content:
        arrays = dict(content)
    text = json.loads(str(arrays.pop("about")))
    if list(arrays) != list(text["dtypes"]):
        raise ValueError(f"arrays are missing: it has {len(arrays)}")
    for name, array in arrays.items():
        if array.dtype.kind == "V":
            # NumPy's files know nothing of bfloat16.
            dtype = tf.as_dtype(text["dtypes"][name]).as_numpy_dtype
            arrays[name] = array.view(dtype)
    return text["about"], arrays
