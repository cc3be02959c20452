"""Where a movie's points come from: the hidden rewards that it finds (the manual's E2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mario_envs.buttons import Button
from mario_envs.emulators.protocol import Emulator
from mario_envs.game.roms import Rom
from mario_envs.game.state import decode
from mario_envs.movies.movie import Movie
from mario_envs.movies.replay import replay

_LANE = np.zeros(1, np.intp)


@dataclass(frozen=True)
class Gain:
    """Points that one frame brought.

    Attributes:
        frame: from the movie's start.
        area: the map that Mario was in; bonus rooms have numbers of their own.
        x: of Mario, px from that map's left.
        y: of Mario, px from the top.
        points: how many.
    """

    frame: int
    area: int
    x: int
    y: int
    points: int


def gains_of(movie: Movie, *, rom: Rom | None = None, emulator: str | None = None) -> list[Gain]:
    """Play a movie and return its gains in order; what the game counts after the end is one more, the last.

    Args:
        movie: which.
        rom: a checked ROM; None takes the bundled one.
        emulator: an emulator's key; None takes the default.

    Raises:
        MovieError: it was recorded with another ROM.

    Example:
        >>> from mario_envs.movies.replay import record
        >>> gains_of(record("1-1", bytes([Button.RIGHT]) * 200))  # nothing before the first enemy
        []
    """
    gains: list[Gain] = []
    place, score, frames = (0, 0, 0), 0, 0

    def watch(console: Emulator, _: Button) -> None:
        nonlocal place, score, frames
        state = decode(console.ram(_LANE))
        place, before = (int(state.area[0]), int(state.x[0]), int(state.y[0])), score
        score = int(state.score[0])
        if score > before:
            gains.append(Gain(frames, *place, score - before))
        frames += 1

    outcome = replay(movie, rom=rom, emulator=emulator, watch=watch)
    if outcome.score > score:
        gains.append(Gain(frames, *place, outcome.score - score))
    return gains
