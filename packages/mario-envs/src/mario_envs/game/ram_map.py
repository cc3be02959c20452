"""Where Super Mario Bros. keeps what we read and write; the only file with addresses.

Sources: gym-super-mario-bros's ``smb_env.py`` and the public disassembly of the game, whose labels are
given where they say more than our names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

try:
    from mario_envs._native import RamValues
except ImportError:  # not built: NumPy reads the same, only slower
    RamValues = None  # type: ignore[assignment, misc]


@dataclass(frozen=True)
class Field:
    """One value in the 2 KiB work RAM.

    Attributes:
        address: of its first byte.
        meaning: in words, with unit and the values that matter.
        size: bytes, from ``address`` on.
        encoding: "unsigned" (low byte first), "signed" (one byte), "digits" (bytes 0–9, most
            significant first) or "bytes" (one for each slot).
        page: of the first byte of what is to be multiplied by 256 and added, slot by slot; a signed byte, as
            mazes lead back beyond the first page and things rise above the picture.
    """

    address: int
    meaning: str
    size: int = 1
    encoding: Literal["unsigned", "signed", "digits", "bytes"] = "unsigned"
    page: int | None = None

    def read(self, ram: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Decode the field for every lane: ``[lanes, 2048]`` → int64 ``[lanes]``, or ``[lanes, slots]``.

        >>> ram = np.zeros((1, 2048), np.uint8)
        >>> ram[0, 0x07F8:0x07FB] = 3, 9, 8
        >>> CLOCK.read(ram)
        array([398])
        """
        rows = self._alone.read(ram)
        return rows[0] if len(rows) == 1 else rows.T

    @cached_property
    def _alone(self) -> Fields:
        return Fields(self)

    @property
    def _is_signed(self) -> bool:
        """Whether the last byte of each row is from -128 to 127."""
        return self.encoding == "signed" or self.page is not None

    @property
    def _rows(self) -> list[list[tuple[int, int]]]:
        """Return the bytes of each row that the field has, each as its address and what it counts for."""
        if self.page is not None:
            return [[(self.address + i, 1), (self.page + i, 256)] for i in range(self.size)]
        if self.encoding == "bytes":
            return [[(self.address + i, 1)] for i in range(self.size)]
        base = 10 if self.encoding == "digits" else 256
        places = range(self.size)
        powers = reversed(places) if self.encoding == "digits" else places
        return [[(self.address + i, base**power) for i, power in zip(places, powers, strict=True)]]


class Fields:
    """Several fields, decoded for all lanes at once.

    Example:
        >>> ram = np.zeros((1, 2048), np.uint8)
        >>> ram[0, 0x07F8:0x07FB] = 3, 9, 8
        >>> Fields(LIVES, CLOCK).read(ram)
        array([[  0],
               [398]])
    """

    def __init__(self, *fields: Field) -> None:
        self._table = [(field._is_signed, row) for field in fields for row in field._rows]
        self._native = None if RamValues is None else RamValues(self._table)

    def read(self, ram: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Decode ``[lanes, 2048]`` into int64 ``[rows, lanes]``: a row per field, or per slot of it."""
        rows = np.zeros((len(self._table), len(ram)), np.int64)
        if self._native is not None:
            self._native.read(ram, rows)
            return rows
        for row, (signed, parts) in zip(rows, self._table, strict=True):
            for address, weight in parts:
                column = ram[:, address]
                last = address == parts[-1][0]
                row += weight * (column.view(np.int8) if signed and last else column).astype(np.int64)
        return rows


# The player
PLAYER_STATE = Field(0x000E, "GameEngineSubroutine: what the game does with the player; see PlayerState")
FLOAT_STATE = Field(0x001D, "0 ground, 1 jump, 2 fall, 3 climbing or sliding down the flagpole")
X = Field(0x0086, "player x in the area, px", page=0x006D)
X_SPEED = Field(0x0057, "player x speed, 1/16 px per frame", encoding="signed")
Y_SPEED = Field(0x009F, "player y speed, px per frame, downwards", encoding="signed")
Y = Field(
    0x03B8, "player y, px: 256 is the top of the screen, 512 and more is falling out below", page=0x00B5
)
POWER_UP = Field(0x0756, "0 small, 1 big, 2 fire")

# The picture
SCREEN_X = Field(0x071C, "left edge of the picture in the area, px", page=0x071A)

# The counters
SCORE = Field(0x07DD, "score in tens: millions first, the printed last digit is always 0", 6, "digits")
COINS = Field(0x07ED, "coins", 2, "digits")
CLOCK = Field(0x07F8, "game clock, in its own units of 24 frames", 3, "digits")
LIVES = Field(0x075A, "lives left after this one; -1 when the game is over", encoding="signed")

# Where in the game
WORLD = Field(0x075F, "world - 1")
STAGE = Field(0x075C, "stage - 1, as the status line shows it")
AREA_NUMBER = Field(0x0760, "area - 1: also counts the entrance scenes of some stages")
AREA_DATA = Field(0x00E7, "AreaData: address of the level data being played", 2)
GAME_MODE = Field(0x0770, "OperMode: 0 title, 1 game, 2 end of a world, 3 game over")
MODE_TASK = Field(0x0772, "OperMode_Task: 0 loads an area, 3 plays; in mode 2, 4 is after the message")
DEATH_MUSIC = Field(0x0712, "DeathMusicLoaded: 1 once the player has fallen into a pit")
PRE_LEVEL_TIMER = Field(0x07A0, "frames of the black screen before a level, in units of 21")

# Mazes, which lead back where the wrong way was taken
TURNINGS_RIGHT = Field(0x06D9, "MultiLoopCorrectCntr: turnings that were passed the right way")
TURNINGS_PASSED = Field(0x06DA, "MultiLoopPassCntr: turnings that were passed; after the third both are 0")

# What the area is like
AREA_TYPE = Field(0x074E, "0 water, 1 above ground, 2 below ground, 3 castle")
HARD_MODE = Field(0x06CC, "SecondaryHardMode: 1 from 5-3 on; shorter lifts")

# The things on the screen
ENEMY_ACTIVE = Field(0x000F, "enemy slots in use", 6, "bytes")
ENEMY_TYPE = Field(0x0016, "enemy identifiers by slot", 6, "bytes")
ENEMY_X = Field(0x0087, "enemy x in the area, px, by slot", 6, "bytes", page=0x006E)
ENEMY_Y = Field(0x00CF, "enemy y, px, by slot: 256 is the top of the screen", 6, "bytes", page=0x00B6)
FIRE_BAR_ANGLE = Field(
    0x00A0, "FirebarSpinState_High: 32nds of a turn clockwise from above, by slot", 6, "bytes"
)
FIREBALL_STATE = Field(0x0024, "Mario's own fireballs in use, by slot", 2, "bytes")
FIREBALL_X = Field(0x008D, "fireball x in the area, px, by slot", 2, "bytes", page=0x0074)
FIREBALL_Y = Field(0x00D5, "fireball y on the screen, px, by slot", 2, "bytes")
MISC_STATE = Field(0x002A, "hammers (0x80 and above) and jumping coins, by slot", 9, "bytes")
MISC_X = Field(0x0093, "x of these in the area, px, by slot", 9, "bytes", page=0x007A)
MISC_Y = Field(0x00DB, "y of these on the screen, px, by slot", 9, "bytes")
LEVEL_TILES = Field(0x0500, "two pages of 13 rows × 16 columns of level tiles, 0 is empty", 416, "bytes")


class PlayerState:
    """The values of PLAYER_STATE that end something, and those in which the game moves the player."""

    #: Entering an area, climbing a vine, going into a pipe, at the flag, coming out of a pipe.
    MOVED_BY_GAME = (0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x07)
    FLAGPOLE = 0x04
    WALKS_TO_CASTLE = 0x05
    LOSES_LIFE = 0x06
    NORMAL = 0x08
    DYING = 0x0B


class GameMode:
    """The values of GAME_MODE that matter."""

    GAME = 1
    END_OF_WORLD = 2
    GAME_OVER = 3


class ModeTask:
    """The values of MODE_TASK that the episode's end waits for."""

    LOADS_AREA = 0
    PLAYS = 3
    AFTER_MESSAGE = 4
