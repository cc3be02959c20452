"""Where along a stage points were scored, and which of them fixed baselines never found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mario_eval.recordings import Recording

#: Width of one place, px: two tiles, about what the player moves within one step.
PLACE = 32


@dataclass(frozen=True, order=True)
class ScoreEvent:
    """Points of one amount scored at one place.

    Attributes:
        area: which area, as the environment's info names it.
        place: level x in units of :data:`PLACE` px.
        points: how many at once.
    """

    area: str
    place: int
    points: int

    @property
    def span(self) -> str:
        """The stretch of the level, as text."""
        return f"{self.place * PLACE} to {(self.place + 1) * PLACE} px"


def score_events(recording: Recording) -> Counter[ScoreEvent]:
    """Count the score events of a recording; empty if it has no ``score`` and ``x`` at each step.

    Streams over the steps: memory does not grow with their number.
    """
    if not {"score", "x"} <= recording.step_columns():
        return Counter()
    events: Counter[ScoreEvent] = Counter()
    last_scores: dict[int, int] = {}
    for table in recording.steps(["episode", "step", "score", "x", "area"]):
        if {"score", "x"} <= set(table.column_names):
            _count(table, last_scores, events)
    return events


def found_beyond(
    events: Counter[ScoreEvent], baselines: Iterable[Counter[ScoreEvent]]
) -> Counter[ScoreEvent]:
    """Return the events that no baseline ever had: the hidden rewards.

    >>> mine = Counter({ScoreEvent("1", 3, 200): 2, ScoreEvent("1", 9, 1000): 1})
    >>> list(found_beyond(mine, [Counter({ScoreEvent("1", 3, 200): 7})]))
    [ScoreEvent(area='1', place=9, points=1000)]
    """
    known = set().union(*baselines)
    return Counter({event: count for event, count in events.items() if event not in known})


def points_by_place(events: Counter[ScoreEvent]) -> dict[tuple[str, int], int]:
    """Return all points scored at each (area, place)."""
    points: Counter[tuple[str, int]] = Counter()
    for event, count in events.items():
        points[event.area, event.place] += event.points * count
    return dict(points)


def _count(table: pa.Table, last_scores: dict[int, int], events: Counter[ScoreEvent]) -> None:
    """Count the events of one part; ``last_scores`` carries each episode's score over to the next part."""
    episodes, steps = _ints(table, "episode"), _ints(table, "step")
    order = np.lexsort((steps, episodes))
    episodes, steps = episodes[order], steps[order]
    scores, places = _ints(table, "score")[order], _ints(table, "x")[order] // PLACE

    first = np.ones(len(episodes), bool)
    first[1:] = episodes[1:] != episodes[:-1]
    before = np.empty_like(scores)
    before[1:] = scores[:-1]
    begins = np.flatnonzero(first)
    before[begins] = [
        0 if steps[at] == 0 else last_scores.get(int(episodes[at]), int(scores[at])) for at in begins
    ]
    ends = np.append(begins[1:], len(episodes)) - 1
    last_scores.update(zip(episodes[ends].tolist(), scores[ends].tolist(), strict=True))

    gained = scores - before
    scored = np.flatnonzero(gained > 0)
    areas = _texts(table, "area", order[scored])
    for area, place, points in zip(areas, places[scored].tolist(), gained[scored].tolist(), strict=True):
        events[ScoreEvent(area, place, points)] += 1


def _ints(table: pa.Table, column: str) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(table[column], pa.scalar(0, table[column].type)).to_numpy(), np.int64)


def _texts(table: pa.Table, column: str, rows: NDArray[np.intp]) -> list[str]:
    if column not in table.column_names:
        return [""] * len(rows)
    return [str(value) for value in table[column].take(rows).to_pylist()]
