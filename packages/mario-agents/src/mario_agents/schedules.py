"""Values that fall over a run: ``"lin_2.5e-4"`` in a hyper-parameter."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mario_agents.errors import AgentsError


@dataclass
class Budget:
    """The share of a run's minutes and frames that is left.

    A schedule that counted steps alone would be cut short where the minutes or the frames end a run.

    Attributes:
        seconds: the whole run's allowance; None is no limit.
        frames: likewise, in emulated frames, summed over lanes.
        spent: seconds that earlier calls of the same run used.
        played: returns the frames of the whole run so far.

    Example:
        >>> Budget(frames=100, played=lambda: 75).remaining
        0.25
    """

    seconds: float | None = None
    frames: int | None = None
    spent: float = 0.0
    played: Callable[[], int] = field(default=lambda: 0, repr=False)
    _began: float = field(default_factory=time.monotonic, repr=False)

    def start(self) -> None:
        """Begin counting from now."""
        self._began = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds spent in all, earlier calls included."""
        return self.spent + time.monotonic() - self._began

    @property
    def remaining(self) -> float:
        """Share left of that which ends first, from 1 down to 0; always 1 without a limit."""
        left = 1.0
        if self.seconds is not None:
            left = min(left, 1.0 - self.elapsed / self.seconds)
        if self.frames is not None:
            left = min(left, 1.0 - self.played() / self.frames)
        return max(0.0, left)

    def used(self, steps: float) -> float:
        """Return the share of the whole budget that is used, from 0 up.

        Args:
            steps: share of the steps that are done.
        """
        return max(steps, 1.0 - self.remaining)


@dataclass(frozen=True)
class Linear:
    """A line from ``start`` to ``end`` over the run, by steps, minutes or frames, whichever is furthest on.

    >>> Linear(1.0, 0.0, Budget())(0.25)
    0.25
    """

    start: float
    end: float
    budget: Budget

    def __call__(self, progress_remaining: float) -> float:
        """Return the value where ``progress_remaining`` (1 to 0) of the steps is left.

        Steps are rounded up to whole rollouts: the last one may end below 0, where the line has no business.
        """
        left = max(0.0, min(progress_remaining, self.budget.remaining))
        return self.end + left * (self.start - self.end)


def is_schedule(value: object) -> bool:
    """Tell whether a hyper-parameter's value is written as a schedule.

    >>> is_schedule("lin_1e-4_1e-5"), is_schedule("auto")
    (True, False)
    """
    return isinstance(value, str) and value.startswith("lin_")


def parse_schedule(text: str, budget: Budget) -> Linear:
    """Parse ``lin_START`` (down to zero) or ``lin_START_END``.

    Raises:
        AgentsError: the text is of neither form.
    """
    try:
        numbers = [float(part) for part in text.removeprefix("lin_").split("_")]
        start, end = numbers if len(numbers) == 2 else (*numbers, 0.0)
    except ValueError:
        raise AgentsError(
            f"schedule {text!r} is not lin_START or lin_START_END, such as lin_2.5e-4"
        ) from None
    return Linear(start, end, budget)
