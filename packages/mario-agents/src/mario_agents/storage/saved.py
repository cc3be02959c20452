"""Arrays in a file: an uncompressed .npz, written one array at a time and read one array at a time.

A store of gigabytes is saved and restored without being held twice. Each array has the CRC-32 that zip files
have; what would have to be unpickled is refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray


def write_arrays(file: BinaryIO, arrays: Iterable[tuple[str, NDArray[Any]]]) -> None:
    """Write arrays by name.

    Args:
        file: an open file.
        arrays: names and arrays, each asked for when the one before is written.

    Raises:
        OSError: the disk refused it.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


class SavedArrays:
    """What :func:`write_arrays` wrote, read array by array.

    Args:
        archive: the open file.
        prefix: before each name.

    Example:
        >>> from io import BytesIO
        >>> file = BytesIO()
        >>> write_arrays(file, [("pool/ages", np.arange(3))])
        >>> SavedArrays(zipfile.ZipFile(file)).under("pool/")["ages"]
        array([0, 1, 2])
    """

    def __init__(self, archive: zipfile.ZipFile, prefix: str = "") -> None:
        self._archive, self._prefix = archive, prefix

    def names(self, group: str) -> list[str]:
        """Return the names in a group, such as ``"now/"``, without it."""
        whole = self._prefix + group
        entries = self._archive.namelist()
        return [name.removeprefix(whole).removesuffix(".npy") for name in entries if name.startswith(whole)]

    def under(self, group: str) -> SavedArrays:
        """Return a group for itself."""
        return SavedArrays(self._archive, self._prefix + group)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Read an array.

        Raises:
            KeyError: there is none of that name.
            ValueError, zipfile.BadZipFile: it is damaged.
        """
        with self._archive.open(f"{self._prefix}{name}.npy") as entry:
            array: NDArray[Any] = np.lib.format.read_array(entry, allow_pickle=False)
        return array


def grouped(group: str, arrays: Iterable[tuple[str, NDArray[Any]]]) -> Iterable[tuple[str, NDArray[Any]]]:
    """Put arrays into a group, to be found by :meth:`SavedArrays.under`."""
    return ((group + name, array) for name, array in arrays)
