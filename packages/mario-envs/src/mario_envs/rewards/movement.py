"""How far Mario moved by himself in a step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mario_envs.game.state import GameState

# Mario runs at most 0x30 / 16 = 3 px a frame in the European revision (2.5 in the other); 4 leaves room for
# platforms and springs that carry him. The spare pixels absorb nes-py's frame edge, which drifts.
_MAX_SPEED, _SPARE = 4, 8


def displacement(before: GameState, after: GameState) -> NDArray[np.int64]:
    """Return px moved to the right, ``[lanes]``; 0 where the game moved Mario.

    Pipes, vines and warps put him into another area or elsewhere in the same one, and then to where he comes
    out; a castle's maze sends him back some pages; a death or a clear ends in another place: none of it is
    walking.
    """
    moved = after.x - before.x
    same_place = (after.area == before.area) & (after.world == before.world) & (after.stage == before.stage)
    walked = np.abs(moved) <= _MAX_SPEED * (after.frame - before.frame) + _SPARE
    return np.where(same_place & walked & ~before.moved_by_game & ~after.dead, moved, 0)


def clock_ticks(before: GameState, after: GameState) -> NDArray[np.int64]:
    """Return how far the game's clock ran down, ``[lanes]``.

    Not in the step that clears the stage, where the game turns what is left into score, nor where the
    clock was set anew.
    """
    return np.where(after.clear | after.dead, 0, np.maximum(before.time - after.time, 0))
