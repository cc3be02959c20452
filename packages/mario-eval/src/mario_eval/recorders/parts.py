"""A table on disk as a folder of Parquet parts, each written whole: readable while the table grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mario_eval.files import replaced_whole
from mario_eval.schema import SCHEMA_VERSION, TABLE_KEY, VERSION_KEY

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
        self._pieces: dict[str, list[_Piece]] = {}
        self._single: list[Mapping[str, Any]] = []
        self.parts = 0
        self.rows = 0

    def append(self, rows: int, columns: Mapping[str, Column]) -> None:
        """Keep some rows. A column may be missing from some of them, and may come later.

        The arrays are kept as they are until they are written: hand over copies of what changes.
        """
        if not rows:
            return
        for name, (values, mask) in columns.items():
            self._pieces.setdefault(name, []).append(_Piece(self.rows, values, mask))
        self.rows += rows

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
        arrays = {name: _joined(pieces, self.rows) for name, pieces in self._pieces.items()}
        # What has no gaps is told so: the levels that mark them are a quarter of the time to write.
        fields = [pa.field(name, array.type, array.null_count > 0) for name, array in arrays.items()]
        table = pa.table(list(arrays.values()), pa.schema(fields, self._metadata))
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
        self._pieces = {}
        self.parts += 1
        self.rows = 0


class _Piece(NamedTuple):
    """Some rows of one column; ``first`` is the number of the first of them in the part."""

    first: int
    values: NDArray[Any]
    mask: NDArray[np.bool_] | None


def _joined(pieces: Sequence[_Piece], rows: int) -> pa.ChunkedArray:
    """Turn the pieces of a column into one of so many rows, null where there is none. Copies no numbers."""
    common = np.result_type(*{_kept_type(piece.values.dtype) for piece in pieces})
    chunks: list[Any] = []
    written = 0
    for first, values, mask in pieces:
        chunk = arrow_array(values.astype(common, copy=False), mask)
        if first > written:
            chunks.append(pa.nulls(first - written, chunk.type))
        chunks.append(chunk)
        written = first + len(values)
    if rows > written:
        chunks.append(pa.nulls(rows - written, chunks[-1].type))
    return pa.chunked_array(chunks)


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


def arrow_array(values: NDArray[Any], mask: NDArray[np.bool_] | None) -> Any:
    """Turn ``[rows]`` numbers, bools or texts, or ``[rows, n]`` numbers, into an Arrow column.

    Args:
        values: the values.
        mask: bool ``[rows]``: which rows have one, the others become null; None if all have.
    """
    gaps = None if mask is None or mask.all() else ~mask
    if values.dtype == object:
        try:
            return pa.array(values, pa.string(), mask=gaps)
        except pa.ArrowTypeError:  # something among them is no text
            texts = [None if value is None else str(value) for value in values]
            return pa.array(np.array(texts, object), pa.string(), mask=gaps)
    if values.ndim == 1:
        return pa.array(values, mask=gaps)
    flat = pa.array(values.reshape(-1))
    size = int(np.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(flat, size, mask=None if gaps is None else pa.array(gaps))
