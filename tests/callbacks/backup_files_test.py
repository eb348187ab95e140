"""Backups are whole, or another one is used, or there are clear words."""

import contextlib
import os
import stat

import numpy as np
import pytest
import tensorflow as tf

from kerasmeta.callbacks import backup_files
from kerasmeta.callbacks.backup_files import BackupFiles


def write(files, number):
    files.write(number, {"step": number}, {"w": np.full([100], number)})


def step(files):
    about, arrays = files.read()
    np.testing.assert_array_equal(arrays["w"], about["step"])
    return about["step"]


def newest(folder):
    return max(folder.glob("backup-*.npz"))


def test_two_are_kept_and_the_newest_is_read(tmp_path):
    files = BackupFiles(tmp_path / "new" / "folder")
    assert files.read() is None
    for number in (2, 4, 100):
        write(files, number)
    names = sorted(os.listdir(files.folder))
    assert names == ["backup-000000000004.npz", "backup-000000000100.npz"]
    assert step(BackupFiles(files.folder)) == 100


@pytest.mark.parametrize("kept", [0, 10, 0.5, -1])
def test_a_truncated_backup_falls_back(tmp_path, kept):
    files = BackupFiles(tmp_path)
    write(files, 1)
    write(files, 2)
    whole = newest(tmp_path).read_bytes()
    size = int(kept * len(whole)) if isinstance(kept, float) else kept
    newest(tmp_path).write_bytes(whole[:size])
    files = BackupFiles(tmp_path)
    with pytest.warns(UserWarning, match="backup-000000000002.* is damaged"):
        assert step(files) == 1
    # The damaged one does not take the place of a good one later.
    write(files, 2)
    write(files, 3)
    assert step(BackupFiles(tmp_path)) == 3
    assert len(os.listdir(tmp_path)) == 2


def test_each_damaged_byte_of_the_numbers_is_seen(tmp_path):
    files = BackupFiles(tmp_path)
    write(files, 1)
    write(files, 2)
    whole = newest(tmp_path).read_bytes()
    begin = whole.index(np.full([100], 2).tobytes())
    for place in (begin, begin + 399, begin + 799):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        newest(tmp_path).write_bytes(damaged)
        with pytest.warns(UserWarning, match="damaged"):
            assert step(BackupFiles(tmp_path)) == 1


@pytest.mark.filterwarnings("ignore:The backup")
def test_damage_anywhere_is_seen_or_does_no_harm(tmp_path):
    BackupFiles(tmp_path).write(1, {"step": 1}, {"w": np.ones([3])})
    path = newest(tmp_path)
    whole, seen = path.read_bytes(), 0
    for place in range(2 * len(whole)):
        damaged = bytearray(whole)
        # A lowest bit is that of encryption, a high one makes a size too large.
        damaged[place // 2] ^= 64 if place % 2 else 1
        path.write_bytes(damaged)
        try:
            about, arrays = BackupFiles(tmp_path).read()
        except ValueError as error:
            assert "All backups are damaged" in str(error)
            seen += 1
            continue
        assert about == {"step": 1} and arrays.keys() == {"w"}
        np.testing.assert_array_equal(arrays["w"], np.ones([3]))
    assert seen > len(whole)


def test_dtypes_that_numpy_does_not_know_come_back(tmp_path):
    arrays = {
        "w": tf.constant([1.5, -2.0], "bfloat16").numpy(),
        "scalar": np.array(3, "int64"),
        "quantized": tf.cast([0.5], "float8_e4m3fn").numpy(),
    }
    BackupFiles(tmp_path).write(1, {}, arrays)
    _, loaded = BackupFiles(tmp_path).read()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


def test_all_damaged_is_an_error(tmp_path):
    files = BackupFiles(tmp_path)
    write(files, 1)
    newest(tmp_path).write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="damaged"):
        with pytest.raises(ValueError, match="All backups are damaged"):
            BackupFiles(tmp_path).read()


def test_what_cannot_be_read_is_not_called_damaged(tmp_path):
    files = BackupFiles(tmp_path)
    write(files, 1)
    write(files, 2)
    newest(tmp_path).rename(tmp_path / "aside")
    # A folder is what nobody may read as a file, not even root.
    (tmp_path / "backup-000000000002.npz").mkdir()
    with pytest.raises(OSError, match="000002.npz' cannot be read: Is a dir"):
        BackupFiles(tmp_path).read()
    (tmp_path / "backup-000000000002.npz").rmdir()
    (tmp_path / "aside").rename(tmp_path / "backup-000000000002.npz")
    assert step(BackupFiles(tmp_path)) == 2


def test_too_little_memory_is_not_called_damage(tmp_path, monkeypatch):
    files = BackupFiles(tmp_path)
    write(files, 1)

    def read_backup(path):
        raise MemoryError("no room")

    monkeypatch.setattr(backup_files, "read_backup", read_backup)
    with pytest.raises(MemoryError, match="no room"):
        files.read()
    # A damaged size asks for too much, too.
    newest(tmp_path).write_bytes(newest(tmp_path).read_bytes()[:-1])
    with pytest.warns(UserWarning, match="is damaged .no room"):
        with pytest.raises(ValueError, match="All backups are damaged"):
            files.read()


@contextlib.contextmanager
def room_for(size):
    """Let no file grow beyond so many bytes: writing more is an `OSError`."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# None, a part of the first array, and all but the directory at the end.
@pytest.mark.parametrize("size", [0, 500, 1300])
def test_a_full_disk_keeps_the_last_backup(tmp_path, size):
    files = BackupFiles(tmp_path)
    write(files, 1)
    assert newest(tmp_path).stat().st_size > size
    with room_for(size):
        with pytest.raises(OSError, match="File too large.*000001.*is kept"):
            write(files, 2)
    assert os.listdir(tmp_path) == ["backup-000000000001.npz"]
    assert step(BackupFiles(tmp_path)) == 1
    write(files, 2)
    assert step(BackupFiles(tmp_path)) == 2


def test_some_file_systems_cannot_sync_a_folder(tmp_path, monkeypatch):
    synced = []

    def fsync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")
        synced.append(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(BackupFiles(tmp_path), 1)
    assert synced
    assert step(BackupFiles(tmp_path)) == 1


def test_what_a_killed_writer_left_is_cleared_away(tmp_path):
    (tmp_path / "backup-000000000007.tmp").write_bytes(b"half a backup")
    files = BackupFiles(tmp_path)
    assert files.read() is None
    write(files, 1)
    assert os.listdir(tmp_path) == ["backup-000000000001.npz"]


def test_delete_leaves_what_others_wrote(tmp_path):
    files = BackupFiles(tmp_path)
    write(files, 1)
    (tmp_path / "notes.txt").write_text("mine")
    files.delete()
    assert os.listdir(tmp_path) == ["notes.txt"]
    (tmp_path / "notes.txt").unlink()
    files.delete()
    assert not tmp_path.exists()
