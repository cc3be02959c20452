"""Values that fall over a run: ``"lin_2.5e-4"`` in a hyper-parameter."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from mario_agents.errors import AgentsError


@dataclass
class TimeBudget:
    """The share of a run's minutes that is left.

    A schedule that counted steps alone would be cut short where the minutes end a run.

    Attributes:
        seconds: the whole run's allowance; None is no limit.
        spent: seconds that earlier calls of the same run used.
    """

    seconds: float | None = None
    spent: float = 0.0
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
        """Share left, from 1 down to 0; always 1 without a limit."""
        if self.seconds is None:
            return 1.0
        return max(0.0, 1.0 - self.elapsed / self.seconds)


@dataclass(frozen=True)
class Linear:
    """A line from ``start`` to ``end`` over the run, by steps or by minutes, whichever is further on.

    >>> Linear(1.0, 0.0, TimeBudget())(0.25)
    0.25
    """

    start: float
    end: float
    time_budget: TimeBudget

    def __call__(self, progress_remaining: float) -> float:
        """Return the value where ``progress_remaining`` (1 to 0) of the steps is left."""
        left = min(progress_remaining, self.time_budget.remaining)
        return self.end + left * (self.start - self.end)


def is_schedule(value: object) -> bool:
    """Tell whether a hyper-parameter's value is written as a schedule.

    >>> is_schedule("lin_1e-4_1e-5"), is_schedule("auto")
    (True, False)
    """
    return isinstance(value, str) and value.startswith("lin_")


def parse_schedule(text: str, time_budget: TimeBudget) -> Linear:
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
    return Linear(start, end, time_budget)
