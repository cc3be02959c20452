"""What is tried from a cell: random runs of buttons, as long as people hold them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mario_envs.buttons import DOWN, LEFT, PLAYED, RIGHT, UP, A, B
from numpy.typing import NDArray

#: Runs that are tried after going back to a cell, at least and at most.
LEAST_RUNS, MOST_RUNS = 4, 14
#: Frames of a run, at least and at most.
LEAST_FRAMES, MOST_FRAMES = 4, 32

# Stages go to the right more often than not, and pipes are entered with down; else as it comes.
_DIRECTIONS = (RIGHT, LEFT, DOWN, UP, None)
_DIRECTION_WEIGHTS = (0.55, 0.2, 0.1, 0.05, 0.1)
_RUN, _JUMP = 0.6, 0.5
# A swims, and fires nothing, only when pressed anew: this share of the runs with A presses it again and
# again, once in so many frames.
_TAP = 0.4
_LEAST_PERIOD, _MOST_PERIOD = 6, 16


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


def draw_runs(count: int, random: np.random.Generator) -> ButtonRuns:
    """Draw runs.

    Args:
        count: how many.
        random: to draw with.
    """
    down = np.zeros((count, len(PLAYED)), bool)
    directions = random.choice(len(_DIRECTIONS), size=count, p=_DIRECTION_WEIGHTS)
    for number, button in enumerate(_DIRECTIONS):
        if button is not None:
            down[:, button] = directions == number
    down[:, B] = random.random(count) < _RUN
    down[:, A] = random.random(count) < _JUMP
    frames = random.integers(LEAST_FRAMES, MOST_FRAMES + 1, count, np.int32)
    period = random.integers(_LEAST_PERIOD, _MOST_PERIOD + 1, count, np.int32)
    taps = down[:, A] & (random.random(count) < _TAP)
    return ButtonRuns(down, frames, np.where(taps, period, 0).astype(np.int32))
