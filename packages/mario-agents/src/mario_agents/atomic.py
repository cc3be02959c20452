"""Files that are whole or absent: written beside their place, flushed to the disk, then renamed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Write a file piece by piece; it gets its name when the block is left without an error.

    Args:
        path: where the file goes; its folder exists.

    Raises:
        OSError: it could not be written; nothing of it is left, and what had its name is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            yield file
        _flush(temporary)
        temporary.replace(path)
        if os.name == "posix":  # the rename is on the disk only when the folder is; Windows cannot flush one
            _flush(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a crash or a full disk leaves the previous one as it was.

    Args:
        path: where the file goes; its folder exists.
        content: all of it.

    Raises:
        OSError: it could not be written; nothing of it is left.
    """
    with open_atomically(path) as file:
        file.write(content)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
