"""How far Mario moved by himself in a step, over new ground or over ground that a maze led back over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mario_envs.game.state import GameState

# Mario runs at most 0x30 / 16 = 3 px a frame in the European revision (2.5 in the other); 4 leaves room for
# platforms and springs that carry him. The spare pixels absorb nes-py's frame edge, which drifts.
_MAX_SPEED, _SPARE = 4, 8

# The disassembly's ExecGameLoopback takes four pages off Mario and the screen. By himself he gets no further
# to the left than the screen's edge, which never goes back.
_LOOP, _WIDTH = 4 * 256, 256


def displacement(before: GameState, after: GameState) -> NDArray[np.int64]:
    """Return px moved to the right, ``[lanes]``; 0 where the game moved Mario.

    Pipes, vines and warps put him into another area or elsewhere in the same one, and then to where he comes
    out; a castle's maze sends him back some pages; a death or a clear ends in another place: none of it is
    walking.
    """
    moved = after.x - before.x
    return np.where(_walked(before, after, moved), moved, 0)


def sent_back(before: GameState, after: GameState) -> NDArray[np.int64]:
    """Return px that mazes have sent Mario back and that he has not walked again, ``[lanes]``.

    It grows where he walks back from there, and ends with the area or the life.
    """
    moved = after.x - before.x
    back = moved < -_WIDTH
    if not back.any() and not before.sent_back.any():
        return before.sent_back
    looped = back & _walked(before, after, moved + _LOOP)
    walked = np.where(looped, moved + _LOOP, displacement(before, after))
    left = before.sent_back + np.where(looped, _LOOP, 0)
    stays = _same_place(before, after) & ~after.dead
    return np.where(stays & (left > 0), np.maximum(left - walked, 0), 0)


def new_ground(before: GameState, after: GameState, walked: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what of ``walked``, the step's displacement, is not walked again by :func:`sent_back`."""
    again = before.sent_back > 0
    beyond = np.where(again, np.maximum(walked - before.sent_back, 0), walked)
    return np.where(after.sent_back > 0, 0, beyond)


def clock_ticks(before: GameState, after: GameState) -> NDArray[np.int64]:
    """Return how far the game's clock ran down, ``[lanes]``.

    Not in the step that clears the stage, where the game turns what is left into score, nor where the
    clock was set anew.
    """
    return np.where(after.clear | after.dead, 0, np.maximum(before.time - after.time, 0))


def same_stage(before: GameState, after: GameState) -> NDArray[np.bool_]:
    """Return which lanes are in the stage that they were in, ``[lanes]``; a warp zone leads to another."""
    same: NDArray[np.bool_] = (after.world == before.world) & (after.stage == before.stage)
    return same


def _same_place(before: GameState, after: GameState) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (after.area == before.area) & same_stage(before, after)
    return same


def _walked(before: GameState, after: GameState, moved: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return where Mario can have walked ``moved`` px in the step, alive and by himself."""
    can = np.abs(moved) <= _MAX_SPEED * (after.frame - before.frame) + _SPARE
    walked: NDArray[np.bool_] = _same_place(before, after) & can & ~before.moved_by_game & ~after.dead
    return walked
