"""A table on disk as a folder of Parquet parts, each written whole: readable while the table grows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mario_eval.files import replaced_whole
from mario_eval.schema import SCHEMA_VERSION, TABLE_KEY, VERSION_KEY

#: Rows that a column's buffer holds at first.
_FIRST_ROWS = 64

#: One column of a few rows: values ``[rows]`` or ``[rows, n]``, and which rows have one (None: all of them).
Column = tuple[NDArray[Any], NDArray[np.bool_] | None]


class PartWriter:
    """Gathers rows in memory and writes them as ``part-000000.parquet``, ``part-000001.parquet`` and so on.

    After a SIGKILL everything up to the last :meth:`flush` is on disk and readable.

    Args:
        folder: the table's folder; made when there is something to write.
        table: the table's name, kept in each part.

    Attributes:
        folder: the table's folder.
        rows: how many wait to be written.
        flushed_at: when :meth:`flush` was last called, by the monotonic clock.
    """

    def __init__(self, folder: Path, table: str) -> None:
        self.folder = folder
        self._metadata = {VERSION_KEY: str(SCHEMA_VERSION).encode(), TABLE_KEY: table.encode()}
        self._columns: dict[str, _Buffer] = {}
        self._parts = 0
        self.rows = 0
        self.flushed_at = time.monotonic()

    def append(self, rows: int, columns: Mapping[str, Column]) -> None:
        """Copy some rows. A column may be missing from some of them, and may come later."""
        if not rows:
            return
        for name, (values, mask) in columns.items():
            buffer = self._columns.get(name)
            if buffer is None:
                buffer = self._columns[name] = _Buffer(values)
            buffer.write(self.rows, values, mask)
        self.rows += rows

    def flush(self) -> None:
        """Write the rows gathered so far as one part; nothing happens if there are none."""
        self.flushed_at = time.monotonic()
        if not self.rows:
            return
        self.folder.mkdir(exist_ok=True)
        arrays = {name: buffer.take(self.rows) for name, buffer in self._columns.items()}
        table = pa.table(arrays).replace_schema_metadata(self._metadata)
        with replaced_whole(self.folder / f"part-{self._parts:06d}.parquet") as temporary:
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        self._parts += 1
        self.rows = 0


class _Buffer:
    """The waiting rows of one column; it grows, and takes a wider type when one comes.

    Args:
        values: the first values, for their type and shape.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = np.zeros((_FIRST_ROWS, *values.shape[1:]), _kept_type(values.dtype))
        self._valid = np.zeros(_FIRST_ROWS, bool)

    def write(self, start: int, values: NDArray[Any], mask: NDArray[np.bool_] | None) -> None:
        end = start + len(values)
        self._grow_to(end)
        if values.dtype != self._values.dtype:
            wider = np.result_type(_kept_type(values.dtype), self._values.dtype)
            if wider != self._values.dtype:
                self._values = self._values.astype(wider)
        self._values[start:end] = values
        self._valid[start:end] = True if mask is None else mask

    def take(self, rows: int) -> Any:
        """Return the first rows as an Arrow column, and forget them."""
        self._grow_to(rows)  # rows without this column may have come last
        array = arrow_array(self._values[:rows], self._valid[:rows])
        self._valid[:rows] = False
        return array

    def _grow_to(self, rows: int) -> None:
        have = len(self._values)
        if rows > have:
            more = max(rows, 2 * have) - have
            shape = (more, *self._values.shape[1:])
            self._values = np.concatenate([self._values, np.zeros(shape, self._values.dtype)])
            self._valid = np.concatenate([self._valid, np.zeros(more, bool)])


def _kept_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Texts are kept as objects: NumPy's own texts have a length, and the next may be longer."""
    return np.dtype(object) if dtype.kind in "US" else dtype


def arrow_array(values: NDArray[Any], valid: NDArray[np.bool_]) -> Any:
    """Turn ``[rows]`` numbers, bools or texts, or ``[rows, n]`` numbers, into an Arrow column with nulls."""
    if values.dtype == object:
        texts = [
            str(value) if ok and value is not None else None for value, ok in zip(values, valid, strict=True)
        ]
        return pa.array(texts, pa.string())
    if values.ndim == 1:
        return pa.array(values, mask=None if valid.all() else ~valid)
    flat = pa.array(values.reshape(len(values), -1).ravel())
    size = values.shape[1] if values.ndim == 2 else int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(flat, size, mask=None if valid.all() else pa.array(~valid))
