"""Numbers and names as people read them."""

from __future__ import annotations

import math

from mario_eval.statistics.intervals import Estimate

#: Column names in the page's words.
LABELS = {
    "return": "Return",
    "score": "Score (points)",
    "distance": "Distance (px)",
    "clear": "Clear rate",
    "steps": "Steps",
    "frames": "Frames",
    "seconds": "Seconds",
}


def label(name: str) -> str:
    """Return a column's name for the page.

    >>> label("episode_frames"), label("score")
    ('Episode frames', 'Score (points)')
    """
    return LABELS.get(name, name.replace("_", " ").capitalize())


def number(value: float | None) -> str:
    """Write a number with as many digits as a reader can use.

    >>> number(1234567.8), number(12.345), number(0.012345), number(float("nan"))
    ('1,234,568', '12.3', '0.0123', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.1f}"
    return f"{value:.3g}"


def moment(time: str) -> str:
    """Write a time in UTC, ISO 8601, to the minute.

    >>> moment("2026-11-24T21:46:28+00:00")
    '2026-11-24 21:46 UTC'
    """
    return f"{time[:10]} {time[11:16]} UTC"


def percent(value: float) -> str:
    """Write a share as a percentage.

    >>> percent(0.4567), percent(1)
    ('45.7 %', '100 %')
    """
    return f"{100 * value:.1f} %".replace(".0 %", " %")


def measured(name: str, value: float | None) -> str:
    """Write a value of a column: the clear rate in per cent, all else as a number."""
    return percent(value) if name == "clear" and value is not None else number(value)


def between(estimate: Estimate | dict[str, float], share: bool = False) -> str:
    """Write an interval.

    >>> between({"low": 1, "high": 2.5})
    '1 to 2.5'
    """
    write = percent if share else number
    ends = (
        (estimate.low, estimate.high)
        if isinstance(estimate, Estimate)
        else (estimate["low"], estimate["high"])
    )
    return f"{write(ends[0])} to {write(ends[1])}"
