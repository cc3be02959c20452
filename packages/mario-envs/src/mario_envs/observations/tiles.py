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
from mario_envs.game.grid import (
    CHANNELS,
    COLUMNS,
    COLUMNS_AROUND,
    ROWS,
    ROWS_AROUND,
    TILE,
    grid,
    grid_around_mario,
)
from mario_envs.game.state import GameState
from mario_envs.observations.base import Observation, View

_LOW, _HIGH = -2.0, 4.0
# One over what counts as 1, for each number of the vector.
_SCALE = np.array(
    [1 / 48, 1 / 4, 1, 1 / 2, 1 / TILE, 1 / TILE, 1 / TILE, 1 / 400, *(1 / 60,) * len(PLAYED)], np.float32
)


@dataclass(frozen=True)
class Tiles(Observation):
    """The last ``count`` steps' grids (channels in :mod:`mario_envs.game.grid`) and a vector.

    A Dict space. "tiles" is int8 ``[count * 7, 13, 16]`` of 0 and 1, oldest step first, or
    ``[count * 7, 21, 17]`` around Mario, each step's around where he was then. "vector" is float32 ``[14]``,
    clipped to (-2, 4): x speed (1 is running), y speed (1 is 4 px a frame, downwards), whether on the ground,
    power-up (0, ½, 1), Mario's place within his tile (x, then y), the screen's left edge within its tile, the
    clock (1 is 400), and the six remaining holds in seconds: without them a policy with running holds does
    not see what it has planned, and the process is not Markov.

    Attributes:
        count: steps kept.
        around_mario: lay the grid around Mario, and not around the screen; see
            :func:`mario_envs.game.grid.grid_around_mario`.

    Example:
        >>> Tiles(count=1).space["tiles"].shape, Tiles(count=1, around_mario=True).space["tiles"].shape
        ((7, 13, 16), (7, 21, 17))
    """

    memory_dtype: ClassVar[type[np.generic]] = np.int8
    count: int = 4
    around_mario: bool = False

    def __post_init__(self) -> None:
        if self.count != int(self.count) or self.count < 1:
            raise ValueError(f"count must be a whole number of at least 1, not {self.count!r}")
        if type(self.around_mario) is not bool:
            raise ValueError(f"around_mario must be True or False, not {self.around_mario!r}")

    @cached_property
    def memory_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """The grids of the last steps."""
        size = (ROWS_AROUND, COLUMNS_AROUND) if self.around_mario else (ROWS, COLUMNS)
        return (self.count, len(CHANNELS), *size)

    @cached_property
    def space(self) -> spaces.Dict:
        """Dict of "tiles" and "vector"; see the class."""
        count, channels, *size = self.memory_shape
        tiles = spaces.MultiBinary((count * channels, *size))
        return spaces.Dict({"tiles": tiles, "vector": spaces.Box(_LOW, _HIGH, _SCALE.shape, np.float32)})

    def observe(self, view: View) -> dict[str, NDArray[Any]]:
        """Return the grids, this step's last, and the vector."""
        now = grid_around_mario(view.ram) if self.around_mario else grid(view.ram)
        tiles = self.remember(view, now)
        return {
            "tiles": tiles.reshape(len(tiles), -1, *self.memory_shape[2:]),
            "vector": _vector(view.state, view.ram, view.remaining),
        }


def _vector(state: GameState, ram: NDArray[np.uint8], remaining: NDArray[np.int32]) -> NDArray[np.float32]:
    numbers = (
        state.x_speed,
        state.y_speed,
        ram[:, at.FLOAT_STATE.address] == 0,
        state.power_up,
        state.x % TILE,
        state.y % TILE,
        state.screen_x % TILE,
        state.time,
        *remaining.T,
    )
    vector: NDArray[np.float32] = np.array(numbers, np.float32).T * _SCALE
    return vector.clip(_LOW, _HIGH)
