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

#: One column of a few rows: values ``[rows]`` or ``[rows, n]``, and which rows have one (None: all of them).
Column = tuple[NDArray[Any], NDArray[np.bool_] | None]


class PartWriter:
    """Gathers rows in memory and writes them as ``part-000000.parquet``, ``part-000001.parquet`` and so on.

    After a SIGKILL everything up to the last :meth:`flush` is on disk and readable.

    Args:
        folder: the table's folder; made when there is something to write.
        table: the table's name, kept in each part.
    """

    def __init__(self, folder: Path, table: str) -> None:
        self._folder = folder
        self._metadata = {VERSION_KEY: str(SCHEMA_VERSION).encode(), TABLE_KEY: table.encode()}
        self._blocks: list[tuple[int, Mapping[str, Column]]] = []
        self._parts = 0
        self.rows = 0
        self.flushed_at = time.monotonic()

    def append(self, rows: int, columns: Mapping[str, Column]) -> None:
        """Add rows; the arrays must not change afterwards. A column may be missing from some blocks."""
        self._blocks.append((rows, columns))
        self.rows += rows

    def flush(self) -> None:
        """Write the rows gathered so far as one part; nothing happens if there are none."""
        self.flushed_at = time.monotonic()
        if not self.rows:
            return
        self._folder.mkdir(exist_ok=True)
        names = dict.fromkeys(name for _, columns in self._blocks for name in columns)
        table = pa.table({name: self._gather(name) for name in names}).replace_schema_metadata(self._metadata)
        with replaced_whole(self._folder / f"part-{self._parts:06d}.parquet") as temporary:
            pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        self._parts += 1
        self._blocks, self.rows = [], 0

    def _gather(self, name: str) -> Any:
        present = [columns[name][0] for _, columns in self._blocks if name in columns]
        like = present[0]
        values, valid = [], []
        for rows, columns in self._blocks:
            array, mask = columns.get(
                name, (np.zeros((rows, *like.shape[1:]), like.dtype), np.zeros(rows, bool))
            )
            values.append(array)
            valid.append(np.ones(rows, bool) if mask is None else mask)
        return arrow_array(np.concatenate(values), np.concatenate(valid))


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
