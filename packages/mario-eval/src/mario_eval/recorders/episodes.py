"""Which episode each lane of a batch plays at each step, and what the episode adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Begun(NamedTuple):
    """An episode that begins before a step; one that the lane was playing is given up.

    Attributes:
        step: the step.
        lane: the lane.
        episode: its number.
        seed: what the environment was seeded with, if it was.
        at: when, seconds of ``time.perf_counter``.
    """

    step: int
    lane: int
    episode: int
    seed: int | None
    at: float


class Ended(NamedTuple):
    """An episode that ends with a step.

    Attributes:
        step: the step.
        lane: the lane.
        terminated: as the step says.
        truncated: as the step says.
        at: when, seconds of ``time.perf_counter``.
        infos: columns of its row that come from the last step's infos.
    """

    step: int
    lane: int
    terminated: bool
    truncated: bool
    at: float
    infos: dict[str, Any]


class NumberedSteps(NamedTuple):
    """Some steps in order.

    Attributes:
        episode: int64 ``[steps, lanes]``: the episode's number; -1 where none is being played.
        step: int64 ``[steps, lanes]``: the step's number within its episode.
        ended: a row for each episode that ended, as ``episodes/`` has it.
    """

    episode: NDArray[np.int64]
    step: NDArray[np.int64]
    ended: list[dict[str, Any]]


class PlayedEpisodes:
    """Numbers steps and adds up what their episodes bring, for many steps at once.

    Args:
        lanes: number of lanes. None of them plays an episode at first.
    """

    def __init__(self, lanes: int) -> None:
        self._begun: list[Begun | None] = [None] * lanes
        self._played = np.zeros(lanes, np.int64)
        self._sums: dict[str, NDArray[np.float64]] = {}

    def number(
        self, steps: int, events: list[Begun | Ended], summed: Mapping[str, NDArray[np.float64]]
    ) -> NumberedSteps:
        """Go on by some steps.

        Args:
            steps: how many.
            events: what began and ended meanwhile, in order. An end in a lane that plays nothing is no event.
            summed: float64 ``[steps, lanes]`` for each column to add up, 0 where there is no value; "reward"
                and "frames" are among them. Sums of columns that came once stay what they are.
        """
        lanes, names = len(self._begun), list(summed)
        for name in names:
            self._sums.setdefault(name, np.zeros(lanes))
        values = np.stack([summed[name] for name in names])
        now = [-1 if begun is None else begun.episode for begun in self._begun]
        episode = np.repeat(np.array([now], np.int64), steps, axis=0)
        step = self._played + np.arange(steps)[:, None]
        first = np.zeros(lanes, np.int64)
        rows = []
        for event in events:
            at, lane = event.step, event.lane
            if isinstance(event, Begun):
                episode[at:, lane] = event.episode
                step[at:, lane] = np.arange(steps - at)
                self._begun[lane], self._played[lane], first[lane] = event, -at, at
                for sums in self._sums.values():
                    sums[lane] = 0.0
            elif (begun := self._begun[lane]) is not None:
                sums_of_it = {name: float(sums[lane]) for name, sums in self._sums.items()}
                for name, here in zip(names, values[:, first[lane] : at + 1, lane].sum(axis=1), strict=True):
                    sums_of_it[name] += float(here)
                rows.append(_row(begun, event, int(self._played[lane]) + at + 1, sums_of_it))
                episode[at + 1 :, lane] = -1
                self._begun[lane] = None
        of_those_going_on = np.arange(steps)[:, None] >= first
        for name, value in zip(names, values, strict=True):
            self._sums[name] += np.where(of_those_going_on, value, 0.0).sum(axis=0)
        self._played += steps
        return NumberedSteps(episode, step, rows)


def _row(begun: Begun, ended: Ended, steps: int, sums: dict[str, float]) -> dict[str, Any]:
    """Return an episode's row of ``episodes/``."""
    return {
        "episode": begun.episode,
        "seed": begun.seed,
        "lane": begun.lane,
        "return": sums.pop("reward"),
        "steps": steps,
        "frames": int(sums.pop("frames")),
        "seconds": ended.at - begun.at,
        "terminated": ended.terminated,
        "truncated": ended.truncated,
        **sums,
        **ended.infos,
    }
