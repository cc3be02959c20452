"""Where steps wait before they become rows of a table: each step of a batch costs a few copies, not forty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_eval.recorders.parts import Column, PartWriter

#: Steps of the batch that wait; few enough for a processor's cache.
_STEPS = 64


class StagedSteps:
    """Copies steps of a batch of lanes, and hands them to a table many at a time.

    Columns of one type lie beside each other in one array, so that one call of NumPy copies them all: a call
    costs more than the copy of 32 numbers.

    Args:
        table: where the rows go.
        lanes: number of lanes.
    """

    def __init__(self, table: PartWriter, lanes: int) -> None:
        self._table, self._lanes = table, lanes
        self._active = np.zeros((_STEPS, lanes), bool)
        self._always = np.ones(lanes, bool)
        self._columns: dict[str, None] = {}
        self._groups: list[tuple[list[str], NDArray[Any]]] = []
        self._valid = np.zeros((_STEPS, 0), bool)
        self._steps = 0

    @property
    def rows(self) -> int:
        """How many rows wait at most: lanes that are not recorded are counted, too."""
        return self._steps * self._lanes

    def append(self, active: NDArray[np.bool_], columns: Mapping[str, Column]) -> None:
        """Copy one step.

        Args:
            active: bool ``[lanes]``: lanes that are recorded.
            columns: values ``[lanes]`` or ``[lanes, n]``, and which lanes have one.
        """
        if self._steps == _STEPS or columns.keys() != self._columns.keys():
            self._begin(columns)
        try:
            self._copy(columns)
        except (TypeError, ValueError):  # a column came with another type or width
            self._begin(columns)
            self._copy(columns)
        self._active[self._steps] = active
        self._steps += 1

    def drain(self) -> None:
        """Hand what waits to the table."""
        steps, self._steps = self._steps, 0
        if not steps:
            return
        kept = self._active[:steps].ravel()
        everything = bool(kept.all())
        valid = self._valid[:steps].reshape(steps, len(self._columns), self._lanes)
        masks = {name: valid[:, index].ravel() for index, name in enumerate(self._columns)}
        columns: dict[str, Column] = {}
        for names, block in self._groups:
            values = block[:steps].reshape(steps, len(names), self._lanes, *block.shape[2:])
            for index, name in enumerate(names):
                rows, mask = values[:, index].reshape(-1, *block.shape[2:]), masks[name]
                columns[name] = (rows, mask) if everything else (rows[kept], mask[kept])
        self._table.append(int(kept.sum()), columns)

    def _copy(self, columns: Mapping[str, Column]) -> None:
        at = self._steps
        for names, block in self._groups:
            np.concatenate([columns[name][0] for name in names], out=block[at], casting="no")
        # In our own order: the names are the same as before, but may come in another.
        masks = [self._always if (mask := columns[name][1]) is None else mask for name in self._columns]
        np.concatenate(masks, out=self._valid[at])

    def _begin(self, columns: Mapping[str, Column]) -> None:
        """Drain, and make room for these columns, their types and their widths."""
        self.drain()
        alike: dict[tuple[Any, ...], list[str]] = {}
        for name, (values, _) in columns.items():
            alike.setdefault((values.dtype, values.shape[1:]), []).append(name)
        have = [(block.dtype, block.shape[2:], names) for names, block in self._groups]
        if have != [(*kind, names) for kind, names in alike.items()]:
            self._groups = [
                (names, np.empty((_STEPS, len(names) * self._lanes, *shape), dtype))
                for (dtype, shape), names in alike.items()
            ]
            self._valid = np.zeros((_STEPS, len(columns) * self._lanes), bool)
        self._columns = dict.fromkeys(columns)
