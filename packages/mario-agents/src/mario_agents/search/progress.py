"""What a search shows while it runs: one changing line on a terminal, plain lines elsewhere; on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console


@dataclass(frozen=True)
class Standing:
    """How far the search of a stage is.

    Attributes:
        stage: which.
        cells: places known.
        farthest: greatest x of one, px.
        areas: maps seen.
        frames: emulated so far, over all lanes.
        seconds: of search so far.
        frames_per_second: since this call began.
        best: the best solution so far, in words; empty if there is none.
    """

    stage: str
    cells: int
    farthest: int
    areas: int
    frames: int
    seconds: float
    frames_per_second: float
    best: str

    def line(self) -> str:
        """Say it in one line."""
        maps = f" in {self.areas} maps" if self.areas > 1 else ""
        figures = [
            f"{self.stage}: {self.cells:,} cells{maps}",
            f"x {self.farthest:,}",
            f"{self.frames:,} frames in {self.seconds:.0f} s",
            f"{self.frames_per_second:,.0f} frames/s",
        ]
        return " | ".join([*figures, self.best] if self.best else figures)


class Says(Protocol):
    """What can be said in one line: the standing of a search, or of a polishing."""

    def line(self) -> str:
        """Say it in one line."""


class Show(Protocol):
    """Called with the standing as often as the search likes."""

    def __call__(self, standing: Says) -> None:
        """Show it, or not."""


@contextmanager
def showing(console: Console | None = None, line_every: float = 10.0) -> Iterator[Show]:
    """Show standings while the block runs.

    Args:
        console: where; None is stderr.
        line_every: seconds between two lines where there is no terminal.
    """
    console = console or Console(file=sys.stderr)
    if console.is_terminal:
        with console.status("starting") as status:
            yield lambda standing: status.update(standing.line())
        return
    due = time.monotonic() + line_every

    def show(standing: Says) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + line_every
            print(standing.line(), file=sys.stderr, flush=True)

    yield show
