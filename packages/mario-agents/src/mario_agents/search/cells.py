"""What counts as one place: the cells that an archive keeps one state of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from mario_envs.game import ram_map
from mario_envs.game.state import GameState
from numpy.typing import NDArray


class CellRule(Protocol):
    """Maps consoles to cells (Go-Explore's "cell representation", Ecoffet et al. 2021, Methods)."""

    def __call__(self, ram: NDArray[np.uint8], state: GameState) -> NDArray[np.int32]:
        """Return each lane's cell.

        Args:
            ram: uint8 ``[lanes, 2048]``.
            state: the same, decoded.

        Returns:
            int32 ``[lanes, n]``; equal rows are one cell.
        """


@dataclass(frozen=True)
class PlaceCells:
    """Where Mario is, and how far he is through a maze.

    Castles that lead back unless the right way is taken (4-4, 7-4, 8-4) count in memory how many of their
    turnings were passed, and how many of these rightly. Without the counts, the place after a right turning
    and after a wrong one would be the same cell, and the first that comes there would stand for both.

    Attributes:
        width: of a cell, px.
        height: of a cell, px.
    """

    width: int = 24
    height: int = 32

    def __call__(self, ram: NDArray[np.uint8], state: GameState) -> NDArray[np.int32]:
        """Return area, column, row and the two counts, int32 ``[lanes, 5]``."""
        passed, rightly = ram_map.TURNINGS_PASSED.read(ram), ram_map.TURNINGS_RIGHT.read(ram)
        columns = (state.area, state.x // self.width, state.y // self.height, passed, rightly)
        return np.stack(columns, axis=1).astype(np.int32)
