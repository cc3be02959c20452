"""Where steps wait before they become rows of a table: a step of a batch costs one copy of its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_eval.recorders.joined import joined
from mario_eval.recorders.parts import Column, PartWriter

#: Rows that wait here; enough that handing them over costs little, few enough for a processor's cache.
_ROWS = 4_096

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
        if self._steps == self._layout.room or columns != self._columns:
            self.drain()
            self._columns = columns
        if not self._layout.copy(self._steps, values):
            self.drain()
            self._layout = _Layout(values, self._lanes)
            self._layout.copy(0, values)
        self._active.append(active.tobytes())
        if masks is not None:
            self._masks[self._steps] = joined(masks)
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
            shape = (-1, *column.shape[2:])
            # Copies, as the table keeps them, and this room is used again.
            return column.copy().reshape(shape) if everything else column.reshape(shape).take(kept, axis=0)

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
        self._types = [array.dtype for array in values]
        self._plain = [index for index, kind in enumerate(self._types) if kind.kind in _PLAIN]
        self._others: dict[int, list[NDArray[Any]]] = {
            index: [] for index, kind in enumerate(self._types) if kind.kind not in _PLAIN
        }
        # Any other array can only have grown, and then the step has more bytes, as none of these has fewer.
        self._shapes = [(i, a.shape) for i, a in enumerate(values) if a.ndim > 1 or i in self._others]
        step = np.dtype([(str(index), values[index].dtype, values[index].shape) for index in self._plain])
        self._size = step.itemsize
        self._bytes = bytearray(self.room * self._size)
        self._joined = np.frombuffer(self._bytes, step) if self._size else np.empty(0, step)

    def copy(self, step: int, values: Sequence[NDArray[Any]]) -> bool:
        """Copy the next step's columns; False, and nothing is copied, if their types or shapes are others."""
        if [*map(_type_of, values)] != self._types:
            return False
        for index, shape in self._shapes:
            if values[index].shape != shape:
                return False
        run = joined([values[index] for index in self._plain] if self._others else values)
        if len(run) != self._size:
            return False
        start = step * self._size
        self._bytes[start : start + self._size] = run
        for index, copies in self._others.items():
            copies.append(values[index].copy())
        return True

    def take(self, steps: int) -> list[NDArray[Any]]:
        """Return the columns of these steps, ``[steps, lanes, …]`` each; the next step is the first again."""
        columns = []
        for index in range(len(self._types)):
            if index in self._others:
                copies = self._others[index]
                columns.append(np.concatenate(copies).reshape(steps, *copies[0].shape))
                self._others[index] = []
            else:
                columns.append(self._joined[str(index)][:steps])
        return columns


_type_of = attrgetter("dtype")


def _valid(masks: dict[int, bytes], steps: int, columns: int, lanes: int) -> NDArray[np.bool_] | None:
    """Return which values are there, ``[steps, columns, lanes]``; None if all are. Few steps have masks."""
    if not masks:
        return None
    valid = np.ones((steps, columns, lanes), bool)
    for step, run in masks.items():
        valid[step] = np.frombuffer(run, bool).reshape(columns, lanes)
    return valid
