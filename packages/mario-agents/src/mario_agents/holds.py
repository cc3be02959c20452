"""How long each button is held, over training → ``RUN/training/N.holds.csv`` (the manual's E2)."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

#: Columns of the file.
COLUMNS = ("steps", "frames", "button", "share", "mean", "std")


class RecordHolds:
    """Writes a line for each button every so many steps.

    Columns: ``steps`` and ``frames`` of the run so far, ``button``, ``share`` of the steps since the lines
    before in which it was pressed, and ``mean`` and ``std`` of the frames that it was held for, then; empty
    where it was not.

    Args:
        file: the file; made with the first lines, so that environments without buttons have none.
        buttons: their names; numbers where there are more.
        every: steps, summed over lanes.
    """

    def __init__(self, file: Path, buttons: Sequence[str], every: int) -> None:
        self._file, self._buttons, self._every = file, tuple(buttons), every
        self._steps = 0
        self._sums: NDArray[np.int64] | None = None

    def add(self, sums: NDArray[np.int64], played: int, *, steps: int, frames: int) -> None:
        """Add what one actor counted.

        Args:
            sums: as :meth:`~mario_agents.sampling.hold_counts.HoldCounts.take` returns them.
            played: steps in which it did, summed over lanes.
            steps: of the run so far.
            frames: of the run so far.
        """
        if sums.shape[1] == 0:
            return
        self._sums = sums if self._sums is None else self._sums + sums
        self._steps += played
        if self._steps >= self._every:
            self._write(steps, frames)
            self._sums, self._steps = None, 0

    def _write(self, steps: int, frames: int) -> None:
        assert self._sums is not None
        new = not self._file.exists()
        with self._file.open("a", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            if new:
                lines.writerow(COLUMNS)
            for number, (presses, total, squares) in enumerate(self._sums.T.tolist()):
                name = self._buttons[number] if number < len(self._buttons) else str(number)
                mean = total / presses if presses else 0.0
                std = max(0.0, squares / presses - mean**2) ** 0.5 if presses else 0.0
                held = [f"{mean:.3f}", f"{std:.3f}"] if presses else ["", ""]
                lines.writerow([steps, frames, name, f"{presses / self._steps:.5f}", *held])
