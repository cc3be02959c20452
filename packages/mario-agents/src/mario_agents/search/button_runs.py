"""Free runs of buttons, as long as people hold them: one of the rules for what is tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from mario_envs.buttons import DOWN, LEFT, PLAYED, RIGHT, UP, A, B, ButtonPlan
from numpy.typing import NDArray

from mario_agents.search.archive import Arrays

#: Runs that are tried after going back to a cell, at least and at most.
LEAST_RUNS, MOST_RUNS = 4, 14
#: Frames of a run, at least and at most.
LEAST_FRAMES, MOST_FRAMES = 4, 32

# Frames between two looks at where Mario is. Fewer find more cells and cost more Python.
_LOOK = 8
# Stages go to the right more often than not, and pipes are entered with down; else as it comes.
_DIRECTIONS = (RIGHT, LEFT, DOWN, UP, None)
_DIRECTION_WEIGHTS = (0.55, 0.2, 0.1, 0.05, 0.1)
_RUN, _JUMP = 0.6, 0.5
# A swims, and fires nothing, only when pressed anew: this share of the runs with A presses it again and
# again, once in so many frames.
_TAP = 0.4
_LEAST_PERIOD, _MOST_PERIOD = 6, 16


@dataclass(frozen=True)
class RandomRuns:
    """Tries buttons that are drawn anew in any frame, as no action of an environment may be able to."""

    def begin(self, lanes: int, random: np.random.Generator) -> RunsInLanes:
        """Return the runs of a search's lanes."""
        return RunsInLanes(lanes, random)


@dataclass
class ButtonRuns:
    """One run for each lane.

    Attributes:
        down: bool ``[lanes, 6]``, which buttons; columns as in :data:`mario_envs.buttons.PLAYED`.
        frames: int32 ``[lanes]``, how many are left.
        period: int32 ``[lanes]``, in frames, of A being pressed anew; 0 where A is held or not pressed.
    """

    down: NDArray[np.bool_]
    frames: NDArray[np.int32]
    period: NDArray[np.int32]


class RunsInLanes:
    """The :class:`~mario_agents.search.tries.Tries` of :class:`RandomRuns`.

    Args:
        lanes: of the search.
        random: draws everything.
    """

    def __init__(self, lanes: int, random: np.random.Generator) -> None:
        self._random = random
        self._left = np.zeros(lanes, np.int32)
        self._run = draw_runs(lanes, random)
        self._run.frames[:] = 0

    @property
    def done(self) -> NDArray[np.bool_]:
        """Where no run goes on and none is left."""
        done: NDArray[np.bool_] = (self._left == 0) & (self._run.frames == 0)
        return done

    def go_back(self, lanes: NDArray[np.intp], held: Sequence[bytes]) -> None:
        """Draw how many runs these lanes try."""
        self._left[lanes] = self._random.integers(LEAST_RUNS, MOST_RUNS + 1, len(lanes))

    def plan(self) -> ButtonPlan:
        """Return the next frames of all runs, to where the next look is due or A is pressed anew."""
        run = self._run
        over = np.flatnonzero(run.frames == 0)
        drawn = draw_runs(len(over), self._random)
        run.down[over], run.frames[over], run.period[over] = drawn.down, drawn.frames, drawn.period
        self._left[over] -= 1
        frames = np.minimum(run.frames, np.where(run.period > 0, run.period, _LOOK)).astype(np.int32)
        holds = np.where(run.down, frames[:, None], 0).astype(np.int32)
        taps = run.period > 0
        holds[taps, A] = np.minimum(run.period, frames)[taps] // 2
        return ButtonPlan(holds, frames, np.zeros_like(holds))

    def ran(self, frames: NDArray[np.int32]) -> None:
        """Shorten what is left of the runs."""
        self._run.frames -= frames

    def give_up(self, lanes: NDArray[np.bool_]) -> None:
        """Let the runs of these lanes be over."""
        self._left[lanes], self._run.frames[lanes] = 0, 0

    def held(self, lane: int) -> bytes:
        """Return nothing: any buttons may follow any others."""
        return b""

    def to_arrays(self) -> Arrays:
        """Return what is left of all runs."""
        run = self._run
        return {"runs_left": self._left, "down": run.down, "frames": run.frames, "period": run.period}

    def restore(self, arrays: Arrays) -> None:
        """Undo :meth:`to_arrays`."""
        self._left = arrays["runs_left"]
        self._run = ButtonRuns(arrays["down"], arrays["frames"], arrays["period"])


def draw_runs(count: int, random: np.random.Generator) -> ButtonRuns:
    """Draw runs.

    Args:
        count: how many.
        random: to draw with.
    """
    down = draw_buttons(count, random)
    frames = random.integers(LEAST_FRAMES, MOST_FRAMES + 1, count, np.int32)
    period = random.integers(_LEAST_PERIOD, _MOST_PERIOD + 1, count, np.int32)
    taps = down[:, A] & (random.random(count) < _TAP)
    return ButtonRuns(down, frames, np.where(taps, period, 0).astype(np.int32))


def draw_buttons(count: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which buttons are down together, bool ``[count, 6]``; no opposites.

    Args:
        count: how many times.
        random: to draw with.
    """
    down = np.zeros((count, len(PLAYED)), bool)
    directions = random.choice(len(_DIRECTIONS), size=count, p=_DIRECTION_WEIGHTS)
    for number, button in enumerate(_DIRECTIONS):
        if button is not None:
            down[:, button] = directions == number
    down[:, B] = random.random(count) < _RUN
    down[:, A] = random.random(count) < _JUMP
    return down
