"""Reads how long each button was held over a training run, as mario-agents writes it: ``N.holds.csv``."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: Columns of such a file: a line tells of one button over the steps since the lines before.
_COLUMNS = ("steps", "frames", "button", "share", "mean", "std")


@dataclass(frozen=True)
class ButtonHolds:
    """One button's holds over training; lists of equal length.

    Attributes:
        steps: how far training was.
        share: share of the steps in which the button was pressed, 0 to 1.
        mean: mean length of those holds, frames; 0 where there was none.
        std: their standard deviation, frames; likewise.
    """

    steps: list[int] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)


def holds_files(folder: Path) -> list[Path]:
    """Return the files of a run folder, in order of its calls."""
    return sorted(folder.glob("training/*.holds.csv"), key=lambda file: (len(file.name), file.name))


def read_holds(files: Sequence[Path], problems: list[str]) -> dict[str, ButtonHolds]:
    """Read the files of one run, one after the other.

    Args:
        files: as :func:`holds_files` returns them.
        problems: gets one line for each file that is none.

    Returns:
        Button → its holds, in the order of the files; empty if there are none.
    """
    buttons: dict[str, ButtonHolds] = {}
    for file in files:
        try:
            lines = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
            if tuple(lines.fieldnames or ()) != _COLUMNS:
                raise ValueError(f"its columns are not {', '.join(_COLUMNS)}")
            rows = [_read(line) for line in lines if None not in line.values()]  # else it is being written
        except (OSError, ValueError) as error:
            problems.append(f"{file.name} skipped: {str(error)[:120]}")
            continue
        for name, steps, *numbers in rows:
            button = buttons.setdefault(name, ButtonHolds())
            button.steps.append(steps)
            for column, number in zip((button.share, button.mean, button.std), numbers, strict=True):
                column.append(number)
    return buttons


def _read(line: dict[str, str]) -> tuple[str, int, float, float, float]:
    mean, std = (float(line[name] or 0) for name in ("mean", "std"))
    return line["button"], int(line["steps"]), float(line["share"]), mean, std
