"""Ctrl-C, and what a scheduler sends: the search is saved and can go on."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType


class Interruption:
    """While in use as a context manager, notes SIGINT and SIGTERM instead of ending; a second one ends.

    Attributes:
        reason: the signal's name, or None while there was none.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
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

    def _give_back(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
