"""Where steps wait before they become rows of a table: a step of a batch costs one copy of its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_eval.recorders.parts import Column, PartWriter

#: Rows that wait here; enough that handing them over costs little, few enough to be a few megabytes.
_ROWS = 16_384

#: Types whose arrays Python can join as bytes; others, such as texts, are copied one by one.
_PLAIN = "biufc"


class StagedSteps:
    """Copies steps of a batch of lanes, and hands them to a table many at a time.

    The columns of a step are joined as bytes: a call of NumPy for each of twenty columns would cost more than
    the copy of the 32 numbers in it. Joined steps behind each other are a structured array.

    Args:
        table: where the rows go.
        lanes: number of lanes.
    """

    def __init__(self, table: PartWriter, lanes: int) -> None:
        self._table, self._lanes = table, lanes
        self._columns: tuple[str, ...] = ()
        self._layout = _Layout([], lanes)
        self._steps = 0
        self._active: list[bytes] = []
        self._masks: dict[int, bytes] = {}

    @property
    def rows(self) -> int:
        """How many rows wait at most: lanes that are not recorded are counted, too."""
        return self._steps * self._lanes

    def append(
        self,
        active: NDArray[np.bool_],
        columns: tuple[str, ...],
        values: Sequence[NDArray[Any]],
        masks: Sequence[NDArray[np.bool_]] | None,
    ) -> None:
        """Copy one step.

        Args:
            active: bool ``[lanes]``: lanes that are recorded.
            columns: their names.
            values: ``[lanes]`` or ``[lanes, n]`` for each column.
            masks: bool ``[lanes]`` for each column: which lanes have a value; None if all have all.
        """
        layout = self._layout
        if self._steps == layout.room or columns != self._columns or not layout.fits(values):
            self.drain()
            self._columns = columns
            if not layout.fits(values):
                self._layout = layout = _Layout(values, self._lanes)
        layout.copy(self._steps, values)
        self._active.append(active.tobytes())
        if masks is not None:
            self._masks[self._steps] = b"".join(masks)
        self._steps += 1

    def drain(self) -> None:
        """Hand what waits to the table."""
        steps, self._steps = self._steps, 0
        active, self._active = self._active, []
        masks, self._masks = self._masks, {}
        if not steps:
            return
        kept = np.flatnonzero(np.frombuffer(b"".join(active), bool))
        everything = len(kept) == steps * self._lanes

        def rows_of(column: NDArray[Any]) -> NDArray[Any]:
            rows = column.reshape(-1, *column.shape[2:])
            return rows if everything else rows.take(kept, axis=0)

        valid = _valid(masks, steps, len(self._columns), self._lanes)
        columns: dict[str, Column] = {}
        for index, (name, column) in enumerate(zip(self._columns, self._layout.take(steps), strict=True)):
            columns[name] = rows_of(column), None if valid is None else rows_of(valid[:, index])
        self._table.append(len(kept), columns)


class _Layout:
    """Room for steps whose columns have certain types and shapes.

    Args:
        values: the columns of one step.
        lanes: number of lanes.

    Attributes:
        room: how many steps fit.
    """

    def __init__(self, values: Sequence[NDArray[Any]], lanes: int) -> None:
        self.room = max(1, _ROWS // lanes)
        self._types, self._shapes = _types_of(values), _shapes_of(values)
        self._plain = plain = [i for i, array in enumerate(values) if array.dtype.kind in _PLAIN]
        self._others: dict[int, list[NDArray[Any]]] = {i: [] for i in range(len(values)) if i not in plain}
        step = np.dtype([(str(index), values[index].dtype, values[index].shape) for index in plain])
        self._bytes = bytearray(self.room * step.itemsize)
        self._size = step.itemsize
        self._joined = np.frombuffer(self._bytes, step) if plain else np.empty(0, step)

    def fits(self, values: Sequence[NDArray[Any]]) -> bool:
        """Return whether these columns have the same types and shapes."""
        return _types_of(values) == self._types and _shapes_of(values) == self._shapes

    def copy(self, step: int, values: Sequence[NDArray[Any]]) -> None:
        """Copy the columns of one step, which must fit; steps must come in order."""
        if self._others:
            for index, copies in self._others.items():
                copies.append(values[index].copy())
            values = [values[index] for index in self._plain]
        start = step * self._size
        try:
            joined = b"".join(values)
        except BufferError:  # an array that is a view with gaps
            joined = b"".join([np.ascontiguousarray(array) for array in values])
        self._bytes[start : start + self._size] = joined

    def take(self, steps: int) -> list[NDArray[Any]]:
        """Return the columns of the first steps, ``[steps, lanes, …]`` each, and forget the others' copies."""
        columns = []
        for index in range(len(self._types)):
            if index in self._others:
                columns.append(np.stack(self._others[index]))
                self._others[index] = []
            else:
                columns.append(self._joined[str(index)][:steps])
        return columns


_each_type, _each_shape = attrgetter("dtype"), attrgetter("shape")


def _types_of(values: Sequence[NDArray[Any]]) -> list[np.dtype[Any]]:
    return [*map(_each_type, values)]


def _shapes_of(values: Sequence[NDArray[Any]]) -> list[tuple[int, ...]]:
    return [*map(_each_shape, values)]


def _valid(masks: dict[int, bytes], steps: int, columns: int, lanes: int) -> NDArray[np.bool_] | None:
    """Return which values are there, ``[steps, columns, lanes]``; None if all are. Most steps have no masks."""
    if not masks:
        return None
    valid = np.ones((steps, columns, lanes), bool)
    for step, joined in masks.items():
        valid[step] = np.frombuffer(joined, bool).reshape(columns, lanes)
    return valid
