"""Ctrl-C, and what a scheduler sends: noted, so that what runs can be saved first."""

from __future__ import annotations

import signal
import sys
from types import FrameType, TracebackType

#: What a shell reports for a process that SIGINT ended.
INTERRUPTED = 130


class Interruption:
    """While in use as a context manager, notes SIGINT and SIGTERM instead of ending; a second one ends.

    Args:
        answer: said on stderr when one comes; nothing if empty.

    Attributes:
        reason: the signal's name, or None while there was none.
    """

    def __init__(self, answer: str = "") -> None:
        self.reason: str | None = None
        self._answer = answer
        self._previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def __enter__(self) -> Interruption:
        for number in self._previous:
            signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.reason = signal.Signals(number).name
        self._give_back()
        if self._answer:
            print(f"\n{self.reason}: {self._answer}", file=sys.stderr)

    def _give_back(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
