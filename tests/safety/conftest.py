"""Files that are damaged in every way, and limits for those who read them."""

import contextlib
import faulthandler
import gzip
import io
import pathlib
import struct
import time
import zipfile
import zlib

import numpy as np
import pytest

_PNG = b"\x89PNG\r\n\x1a\n"
# What declares sizes that there are not.
_SIZES = (0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
# What text files do not expect.
_WORDS = (
    *(b"\0", b'"', b",", b"\n", b"\r", b"\t", b"{", b"}", b"-", b"\xff"),
    *(b"nan", b"1e999", b"null", b"\xed\xa0\x80", b"9" * 5_000, b"[" * 100_000),
)
# Of the processor; of the clock, other processes take ten times as much.
_SECONDS = 20
_GIGABYTE = 2**30


@pytest.fixture
def damage():
    """Return a function `(data, seed) -> data` that damages a file.

    Half of the files with checksums or compression are damaged within, so that
    the damage gets past those.
    """

    def damaged(data, seed):
        generator = np.random.default_rng(seed)
        if generator.integers(2):
            for head, rewrite in _CONTAINERS.items():
                if data.startswith(head):
                    return rewrite(data, generator)
        return _mutate(data, generator)

    return damaged


@pytest.fixture
def limits():
    """Return a context in which nothing may hang or take much memory."""

    @contextlib.contextmanager
    def limited(what):
        # A hang in C ends only with the process.
        faulthandler.dump_traceback_later(10 * _SECONDS, exit=True)
        before, start = _reset_peak(), time.process_time()
        try:
            yield
        finally:
            # Also of a file that was refused.
            faulthandler.cancel_dump_traceback_later()
            grown, seconds = _peak() - before, time.process_time() - start
            assert grown < _GIGABYTE, f"{what} took {grown >> 20} MB"
            assert seconds < _SECONDS, f"{what} took {seconds:.0f} s"

    return limited


def _mutate(data, generator):
    """Return bytes that were damaged once, twice or three times."""
    for _ in range(generator.integers(1, 4)):
        data = generator.choice(_MUTATIONS)(bytearray(data), generator)
    return bytes(data)


def _empty(data, generator):
    return data[:0] if generator.integers(8) == 0 else data[:-1]


def _truncate(data, generator):
    return data[: generator.integers(len(data) + 1)]


def _flip_bits(data, generator):
    for _ in range(generator.integers(1, 9)):
        if data:
            data[_place(data, generator)] ^= 1 << generator.integers(8)
    return data


def _swap(data, generator):
    if data:
        i, j = (_place(data, generator) for _ in range(2))
        data[i], data[j] = data[j], data[i]
    return data


def _declare(data, generator):
    """Overwrite an integer somewhere."""
    size = int(generator.choice(_SIZES))
    code = generator.choice(["<I", ">I", "<Q", ">Q", "<H", ">H"])
    field = struct.pack(code, size % 2 ** (8 * struct.calcsize(code)))
    i = _place(data, generator)
    data[i : i + len(field)] = field
    return data


def _insert(data, generator):
    i = _place(data, generator)
    data[i:i] = _WORDS[generator.integers(len(_WORDS))]
    return data


def _move(data, generator):
    """Cut a piece out, and put it in elsewhere or leave it out."""
    start = _place(data, generator)
    piece = data[start : start + generator.integers(1, 65)]
    del data[start : start + len(piece)]
    if generator.integers(2):
        i = _place(data, generator)
        data[i:i] = piece
    return data


def _place(data, generator):
    """Choose a byte, and often one of the header."""
    end = min(len(data), 64) if generator.integers(2) else len(data)
    return int(generator.integers(max(end, 1)))


_MUTATIONS = (_empty, _truncate, _flip_bits, _swap, _declare, _insert, _move)


def _rewrite_zip(data, generator):
    """Damage one file of an archive."""
    archive, result = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    names = archive.namelist()
    chosen = names[generator.integers(len(names))]
    with zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            part = archive.read(name)
            if name == chosen:
                part = _mutate(part, generator)
            file.writestr(name, part)
    return result.getvalue()


def _rewrite_gzip(data, generator):
    return gzip.compress(_mutate(gzip.decompress(data), generator))


def _rewrite_png(data, generator):
    """Damage one chunk, whose checksum is right again."""
    chunks, position = [], len(_PNG)
    while position < len(data):
        [length] = struct.unpack_from(">I", data, position)
        chunks.append(data[position + 4 : position + 8 + length])
        position += 12 + length
    i = generator.integers(len(chunks))
    kind, body = chunks[i][:4], chunks[i][4:]
    chunks[i] = kind + _mutate(body, generator)
    return _PNG + b"".join(
        struct.pack(">I", len(chunk) - 4)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        for chunk in chunks
    )


_CONTAINERS = {
    b"PK": _rewrite_zip,
    b"\x1f\x8b": _rewrite_gzip,
    _PNG: _rewrite_png,
}


def _reset_peak():
    """Forget the peak of memory, and return what is used now, in bytes."""
    path = pathlib.Path("/proc/self/clear_refs")
    if path.exists():  # Linux.
        path.write_text("5")
    return _peak()


def _peak():
    path = pathlib.Path("/proc/self/status")
    if not path.exists():
        return 0
    [line] = [x for x in path.read_text().splitlines() if "VmHWM" in x]
    return 1024 * int(line.split()[1])
