"""The level as a grid of tiles, and a few numbers: no drawing, and small enough to train on a laptop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_envs.buttons import PLAYED
from mario_envs.game import ram_map as at
from mario_envs.game.grid import CHANNELS, COLUMNS, ROWS, TILE, grid
from mario_envs.game.state import GameState
from mario_envs.observations.base import Observation, View

_NUMBERS = 8 + len(PLAYED)
_LOW, _HIGH = -2.0, 4.0


@dataclass(frozen=True)
class Tiles(Observation):
    """The last ``count`` steps' grids (channels in :mod:`mario_envs.game.grid`) and a vector.

    A Dict space. "tiles" is int8 ``[count * 7, 13, 16]`` of 0 and 1, oldest step first. "vector" is float32
    ``[14]``, clipped to (-2, 4): x speed (1 is running), y speed (1 is 4 px a frame, downwards), whether on
    the ground, power-up (0, ½, 1), Mario's place within his tile (x, then y), the screen's left edge within
    its tile, the clock (1 is 400), and the six remaining holds in seconds: without them a policy with
    running holds does not see what it has planned, and the process is not Markov.

    Attributes:
        count: steps kept.
    """

    memory_dtype: ClassVar[type[np.generic]] = np.int8
    count: int = 4

    def __post_init__(self) -> None:
        if self.count != int(self.count) or self.count < 1:
            raise ValueError(f"count must be a whole number of at least 1, not {self.count!r}")

    @cached_property
    def memory_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """The grids of the last steps."""
        return (self.count, len(CHANNELS), ROWS, COLUMNS)

    @cached_property
    def space(self) -> spaces.Dict:
        """Dict of "tiles" and "vector"; see the class."""
        tiles = spaces.MultiBinary((self.count * len(CHANNELS), ROWS, COLUMNS))
        return spaces.Dict({"tiles": tiles, "vector": spaces.Box(_LOW, _HIGH, (_NUMBERS,), np.float32)})

    def observe(self, view: View) -> dict[str, NDArray[Any]]:
        """Return the grids, this step's last, and the vector."""
        now = grid(view.ram)
        tiles = np.empty((len(now), *self.memory_shape), np.int8)
        tiles[:, :-1] = view.memory[:, 1:]
        tiles[:, -1] = now
        if view.first.any():
            tiles[view.first] = now[view.first, None]
        view.memory[...] = tiles
        return {
            "tiles": tiles.reshape(len(now), -1, ROWS, COLUMNS),
            "vector": _vector(view.state, view.ram, view.remaining),
        }


def _vector(state: GameState, ram: NDArray[np.uint8], remaining: NDArray[np.int32]) -> NDArray[np.float32]:
    vector = np.empty((len(ram), _NUMBERS), np.float32)
    vector[:, 0] = state.x_speed / 48
    vector[:, 1] = state.y_speed / 4
    vector[:, 2] = at.FLOAT_STATE.read(ram) == 0
    vector[:, 3] = state.power_up / 2
    vector[:, 4] = state.x % TILE / TILE
    vector[:, 5] = state.y % TILE / TILE
    vector[:, 6] = state.screen_x % TILE / TILE
    vector[:, 7] = state.time / 400
    vector[:, 8:] = remaining / 60
    return vector.clip(_LOW, _HIGH)
