"""A table on disk as a folder of Parquet parts, each written whole: readable while the table grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        parts: how many were written.
        rows: how many wait to be written.
    """

    def __init__(self, folder: Path, table: str) -> None:
        self.folder = folder
        self._metadata = {VERSION_KEY: str(SCHEMA_VERSION).encode(), TABLE_KEY: table.encode()}
        self._columns: dict[str, _Buffer] = {}
        self._single: list[Mapping[str, Any]] = []
        self.parts = 0
        self.rows = 0

    def append(self, rows: int, columns: Mapping[str, Column]) -> None:
        """Copy some rows. A column may be missing from some of them, and may come later."""
        if not rows:
            return
        buffers, end = self._columns, self.rows + rows
        here = slice(self.rows, end)
        for name, (values, mask) in columns.items():
            try:
                buffer = buffers[name]
            except KeyError:
                buffer = buffers[name] = _Buffer(values)
            if end > buffer.size or values.dtype is not buffer.dtype:
                buffer.fit(end, values.dtype)
            buffer.values[here] = values
            buffer.valid[here] = True if mask is None else mask
        self.rows = end

    def append_row(self, row: Mapping[str, Any]) -> None:
        """Keep one row of numbers, bools, texts and None; it is made columns when it is written."""
        self._single.append(row)

    def flush(self) -> None:
        """Write the rows gathered so far as one part; nothing happens if there are none."""
        if self._single:
            rows, self._single = self._single, []
            self.append(len(rows), columns_of(rows))
        if not self.rows:
            return
        self.folder.mkdir(exist_ok=True)
        arrays = {name: buffer.take(self.rows) for name, buffer in self._columns.items()}
        table = pa.table(arrays).replace_schema_metadata(self._metadata)
        with replaced_whole(self.folder / f"part-{self.parts:06d}.parquet") as temporary:
            pq.write_table(
                table,
                temporary,
                compression="zstd",
                write_page_checksum=True,
                # Lists are dear to encode, and a dictionary of their numbers dearer still.
                use_dictionary=[name for name, array in arrays.items() if not pa.types.is_nested(array.type)],
                # Smallest and largest values help to find an episode, and are dear for twenty columns.
                write_statistics=[name for name in ("episode", "step") if name in arrays],
            )
        self.parts += 1
        self.rows = 0


class _Buffer:
    """The waiting rows of one column; it grows, and takes a wider type when one comes.

    Whoever writes calls :meth:`fit` first if the rows or their type do not fit: this is looked at for each
    column of each step, so that a call would cost as much as the copy.

    Args:
        values: the first values, for their type and shape.

    Attributes:
        values: ``[size, …]``; rows after the last one written hold anything.
        valid: bool ``[size]``, which rows have a value.
        size: rows that fit.
        dtype: of the values that fit.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self.dtype = values.dtype
        self.values = np.zeros((_FIRST_ROWS, *values.shape[1:]), _kept_type(values.dtype))
        self.valid = np.zeros(_FIRST_ROWS, bool)
        self.size = _FIRST_ROWS

    def fit(self, rows: int, dtype: np.dtype[Any]) -> None:
        """Make room for so many rows in all, and for values of another type."""
        if dtype != self.dtype:
            wider = np.result_type(_kept_type(dtype), self.values.dtype)
            if wider != self.values.dtype:
                self.values = self.values.astype(wider)
            self.dtype = dtype
        if rows > self.size:
            more = max(rows, 2 * self.size) - self.size
            shape = (more, *self.values.shape[1:])
            self.values = np.concatenate([self.values, np.zeros(shape, self.values.dtype)])
            self.valid = np.concatenate([self.valid, np.zeros(more, bool)])
            self.size += more

    def take(self, rows: int) -> Any:
        """Return the first rows as an Arrow column, and forget them."""
        self.fit(rows, self.dtype)  # rows without this column may have come last
        array = arrow_array(self.values[:rows], self.valid[:rows])
        self.valid[:rows] = False
        return array


def columns_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """Turn rows of numbers, bools, texts and None into columns; a name may be missing from some.

    >>> columns_of([{"a": 1}, {"a": None, "b": "x"}])["a"]
    (array([1, 0]), array([ True, False]))
    """
    columns: dict[str, Column] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        known = [value for value in values if value is not None]
        if not known:
            continue
        text = any(isinstance(value, str) for value in known)
        blank = None if text else type(known[0])()
        filled = [blank if value is None else value for value in values]
        valid = np.array([value is not None for value in values])
        columns[name] = np.array(filled, object if text else None), valid
    return columns


def _kept_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Texts are kept as objects: NumPy's own texts have a length, and the next may be longer."""
    return np.dtype(object) if dtype.kind in "US" else dtype


def arrow_array(values: NDArray[Any], valid: NDArray[np.bool_]) -> Any:
    """Turn ``[rows]`` numbers, bools or texts, or ``[rows, n]`` numbers, into an Arrow column with nulls."""
    if values.dtype == object:
        try:
            return pa.array(values, pa.string(), mask=None if valid.all() else ~valid)
        except pa.ArrowTypeError:  # something among them is no text
            texts = [str(v) if ok and v is not None else None for v, ok in zip(values, valid, strict=True)]
            return pa.array(texts, pa.string())
    if values.ndim == 1:
        return pa.array(values, mask=None if valid.all() else ~valid)
    flat = pa.array(values.reshape(len(values), -1).ravel())
    size = values.shape[1] if values.ndim == 2 else int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(flat, size, mask=None if valid.all() else pa.array(~valid))
