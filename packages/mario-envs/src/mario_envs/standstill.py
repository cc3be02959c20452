"""Lanes that get nowhere: Mario does not move, or moves and comes no farther."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mario_envs.emulators.protocol import FRAMES_PER_SECOND
from mario_envs.game.state import GameState

Rows = NDArray[np.intp] | slice


class Standstill:
    """Counts, per lane, the frames since Mario moved and since he came farther than before.

    Args:
        lanes: how many.
        max_still_seconds: as in :class:`mario_envs.settings.Settings`.
        max_stuck_seconds: likewise.
    """

    def __init__(self, lanes: int, max_still_seconds: float, max_stuck_seconds: float | None) -> None:
        self._most_still = max_still_seconds * FRAMES_PER_SECOND
        self._most_stuck = np.inf if max_stuck_seconds is None else max_stuck_seconds * FRAMES_PER_SECOND
        self._still_frames = np.zeros(lanes, np.int64)
        self._stuck_frames = np.zeros(lanes, np.int64)
        #: Greatest x in the area that Mario is in, since he came there.
        self._farthest = np.zeros(lanes, np.int64)

    def begin(self, rows: Rows, state: GameState) -> None:
        """Count anew where an episode begins."""
        self._still_frames[rows] = 0
        self._stuck_frames[rows] = 0
        self._farthest[rows] = state.x

    def lasts_too_long(self, rows: Rows, before: GameState, after: GameState) -> NDArray[np.bool_]:
        """Count a step, and tell in which of the lanes ``rows`` it went on for too long, ``[rows]``."""
        passed = after.frame - before.frame
        elsewhere = after.area != before.area
        moved = (after.x != before.x) | elsewhere
        # A new life begins behind where the last one ended.
        anew = elsewhere | after.dead
        farther = (after.x > self._farthest[rows]) | anew
        self._still_frames[rows] = np.where(moved, 0, self._still_frames[rows] + passed)
        self._stuck_frames[rows] = np.where(farther, 0, self._stuck_frames[rows] + passed)
        self._farthest[rows] = np.where(farther, after.x, self._farthest[rows])
        too_long: NDArray[np.bool_] = (self._still_frames[rows] >= self._most_still) | (
            self._stuck_frames[rows] >= self._most_stuck
        )
        return too_long

    def arrays(self) -> dict[str, NDArray[np.int64]]:
        """Return what is counted, ``[lanes]`` each, to be saved and written over."""
        return {
            "still_frames": self._still_frames,
            "stuck_frames": self._stuck_frames,
            "farthest": self._farthest,
        }
