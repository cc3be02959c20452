"""The screen as a grid of 13 × 16 tiles, a channel for each kind of thing, read from RAM without a picture.

| channel | holds 1 where |
|---|---|
| level | something to stand on, bump into or climb: ground, bricks, pipes, the flagpole, vines |
| items | coins, power-ups, the axe |
| enemies | anything that walks, swims or flies, Bowser too |
| platforms | lifts, over their whole width, and springs |
| fire bars | each ball of a turning fire bar |
| projectiles | Bowser's flames, bullets, hammers, Mario's own fireballs |
| mario | one tile, two when he is big |

Row 0 begins 32 px below the top of the screen, under the status line. Column 0 holds the screen's left edge.
Hidden blocks are left out: a player does not see them either. Laid around Mario, the grid has him in one
place of it wherever he is on the screen, and nothing where the screen ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mario_envs.game import ram_map as at
from mario_envs.game.ram_map import Field, Fields

try:
    from mario_envs._native import RamCells
except ImportError:  # not built: NumPy draws the same, only slower
    RamCells = None  # type: ignore[assignment, misc]

ROWS, COLUMNS, TILE = 13, 16, 16
#: Rows above and below the tile of Mario's feet, and columns behind and ahead of it, of the grid around him.
#: While he stands on the lowest ground and the screen scrolls, these hold all that is on it.
ABOVE, BELOW, BEHIND, AHEAD = 10, 10, 7, 9
ROWS_AROUND, COLUMNS_AROUND = ABOVE + 1 + BELOW, BEHIND + 1 + AHEAD
CHANNELS = ("level", "items", "enemies", "platforms", "fire bars", "projectiles", "mario")
LEVEL, ITEMS, ENEMIES, PLATFORMS, FIRE_BARS, PROJECTILES, MARIO = range(len(CHANNELS))

_TOP = 32

# Level tiles (the disassembly's metatile numbers): coins and the axe, and what is nothing or a hidden block.
_CHANNEL_OF_TILE = np.full(256, LEVEL, np.int8)
_CHANNEL_OF_TILE[[0xC2, 0xC3, 0xC5]] = ITEMS
_CHANNEL_OF_TILE[[0x00, 0x5F, 0x60]] = -1

# Enemy identifiers, and the channel of those that fill one tile.
_FIRST_FIRE_BAR, _LONG_FIRE_BAR = 0x1B, 0x1F
_FIRST_LIFT, _FIRST_SMALL_LIFT, _LAST_LIFT = 0x24, 0x2B, 0x2C
_CHANNEL_OF_ENEMY = np.full(256, -1)
_CHANNEL_OF_ENEMY[:0x15] = ENEMIES
_CHANNEL_OF_ENEMY[0x2D] = ENEMIES  # Bowser
_CHANNEL_OF_ENEMY[[0x08, 0x15, 0x33]] = PROJECTILES  # bullets and Bowser's flames
_CHANNEL_OF_ENEMY[0x2E] = ITEMS  # a power-up
_CHANNEL_OF_ENEMY[0x32] = PLATFORMS  # a spring

_CASTLE = 3

#: From Mario's place to a point in the tile of his feet, px.
_FEET = (8, 24)

# RAM holds two pages of 13 × 16 tiles, even and odd; the screen lies across them. For each of the 32 columns
# that its left edge may be in: where in RAM its tiles are.
_column = np.arange(2 * COLUMNS)[:, None, None] + np.arange(COLUMNS)
_row = np.arange(ROWS)[:, None]
_page = _column // COLUMNS % 2
_TILES_FROM = at.LEVEL_TILES.address + (_page * ROWS + _row) * COLUMNS + _column % COLUMNS

_NONE = -1


class _Thing(NamedTuple):
    """Something that fills one tile, as addresses in RAM; in the order that ``RamCells`` takes."""

    state: int
    least: int  # it is there if its state is at least this
    channel: int
    kind: int  # of what has a channel by its kind, else _NONE
    x_low: int
    x_high: int  # or _NONE
    dx: int  # px from its corner to a point in the tile that it fills
    y_low: int
    y_high: int  # or _NONE
    dy: int  # likewise, and from the top of what its y counts from to the grid's first row


def _things(
    state: Field,
    least: int,
    channel: int,
    x: Field,
    y: Field,
    middle: tuple[int, int],
    kind: Field | None = None,
) -> list[_Thing]:
    """Return a thing for each slot of ``state``."""

    def addresses(field: Field, slot: int) -> tuple[int, int]:
        return field.address + slot, _NONE if field.page is None else field.page + slot

    # With a page, y is 256 at the top of the screen.
    dx, dy = middle[0], middle[1] - _TOP - (0 if y.page is None else 256)
    return [
        _Thing(
            state.address + i, least, channel, _NONE if kind is None else kind.address + i,
            *addresses(x, i), dx, *addresses(y, i), dy,
        )
        for i in range(state.size)
    ]  # fmt: skip


# An enemy's feet are 24 px below its y; Mario's y is the top of two tiles, the upper of which is empty while
# he is small. Misc objects below 0x80 are coins that jump out of blocks.
_THINGS = [
    *_things(at.ENEMY_ACTIVE, 1, _NONE, at.ENEMY_X, at.ENEMY_Y, (8, 16), at.ENEMY_TYPE),
    *_things(at.FIREBALL_STATE, 1, PROJECTILES, at.FIREBALL_X, at.FIREBALL_Y, (4, 4)),
    *_things(at.MISC_STATE, 0x80, PROJECTILES, at.MISC_X, at.MISC_Y, (4, 4)),
    *_things(at.PLAYER_STATE, 0, MARIO, at.X, at.Y, _FEET),
    *_things(at.POWER_UP, 1, MARIO, at.X, at.Y, (8, 8)),
]
_NATIVE = None if RamCells is None else RamCells(
    len(CHANNELS), ROWS, COLUMNS, TILE, _TILES_FROM.reshape(-1).tolist(),
    _CHANNEL_OF_TILE.tolist(), _CHANNEL_OF_ENEMY.tolist(), _THINGS,
)  # fmt: skip

_SCREEN_X = Fields(at.SCREEN_X)
_PLAYER = Fields(at.SCREEN_X, at.X, at.Y)
_LARGE = Fields(at.AREA_TYPE, at.HARD_MODE, at.ENEMY_X, at.ENEMY_Y, at.FIRE_BAR_ANGLE)
_ENEMY_KINDS = slice(at.ENEMY_TYPE.address, at.ENEMY_TYPE.address + at.ENEMY_TYPE.size)
_ENEMY_STATES = slice(at.ENEMY_ACTIVE.address, at.ENEMY_ACTIVE.address + at.ENEMY_ACTIVE.size)


def grid(ram: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the grid of every lane: uint8 ``[lanes, 2048]`` → int8 ``[lanes, 7, 13, 16]`` of 0 and 1."""
    planes = np.zeros((len(ram), len(CHANNELS), ROWS, COLUMNS), np.int8)
    left = _SCREEN_X.read(ram)[0] // TILE
    if _NATIVE is None:
        _draw_tiles(planes, ram, left)
        _draw_things(planes, ram, left)
    else:
        _NATIVE.draw(ram, left, planes)
    kind = ram[:, _ENEMY_KINDS].T
    large = (kind >= _FIRST_FIRE_BAR) & (kind <= _LAST_LIFT) & (ram[:, _ENEMY_STATES].T != 0)
    if large.any():
        _draw_large(planes, ram, left, large, kind)
    return planes


def grid_around_mario(ram: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the grid of every lane with Mario's feet in row ``ABOVE``, column ``BEHIND``.

    What is two tiles ahead of him is in the same cell wherever he is, and a policy learns once what to do
    about it (Ye et al. 2020, arXiv 2001.09908, on views around the agent).

    Returns:
        int8 ``[lanes, 7, 21, 17]`` of 0 and 1.
    """
    height, width = ROWS_AROUND, COLUMNS_AROUND
    screen_x, x, y = _PLAYER.read(ram)
    row = (y - 256 - _TOP + _FEET[1]) // TILE
    column = (x + _FEET[0]) // TILE - screen_x // TILE
    wide = np.zeros((len(ram), len(CHANNELS), ROWS + 2 * height, COLUMNS + 2 * width), np.int8)
    wide[:, :, height : height + ROWS, width : width + COLUMNS] = grid(ram)
    windows = np.lib.stride_tricks.sliding_window_view(wide, (height, width), axis=(2, 3))
    # Who is farther than that from the screen sees nothing of it.
    first_row = np.clip(row - ABOVE + height, 0, ROWS + height)
    first_column = np.clip(column - BEHIND + width, 0, COLUMNS + width)
    around: NDArray[np.int8] = windows[np.arange(len(ram)), :, first_row, first_column]
    return around


def _draw_tiles(planes: NDArray[np.int8], ram: NDArray[np.uint8], left: NDArray[np.int64]) -> None:
    lane = np.arange(len(ram))[:, None, None]
    channel = _CHANNEL_OF_TILE[ram[lane, _TILES_FROM[left % len(_TILES_FROM)]]]
    planes[:, LEVEL] = channel == LEVEL
    planes[:, ITEMS] = channel == ITEMS


def _draw_things(planes: NDArray[np.int8], ram: NDArray[np.uint8], left: NDArray[np.int64]) -> None:
    bytes_of, pages = ram.T.astype(np.int64), ram.view(np.int8).T.astype(np.int64)
    for thing in _THINGS:
        channel = np.full(len(ram), thing.channel)
        if thing.kind != _NONE:
            channel = _CHANNEL_OF_ENEMY[bytes_of[thing.kind]]
        x, y = (
            bytes_of[low] + (0 if high == _NONE else 256 * pages[high])
            for low, high in ((thing.x_low, thing.x_high), (thing.y_low, thing.y_high))
        )
        there = (bytes_of[thing.state] >= thing.least) & (channel != _NONE)
        _put(planes, channel, left, x + thing.dx, y + thing.dy, there)


def _draw_large(
    planes: NDArray[np.int8],
    ram: NDArray[np.uint8],
    left: NDArray[np.int64],
    large: NDArray[np.bool_],
    kind: NDArray[np.uint8],
) -> None:
    """Draw lifts and fire bars, where ``large``, ``[slots, lanes]``, says so."""
    rows = _LARGE.read(ram)
    area_type, hard_mode = rows[:2]
    x, y, angle = rows[2:].reshape(3, at.ENEMY_TYPE.size, -1)
    y = y - _TOP - 256
    short = (area_type == _CASTLE) | (hard_mode != 0)
    _draw_lifts(planes, left, x, y, large & (kind >= _FIRST_LIFT), kind, short)
    on_screen = (y >= -_TOP) & (y < 256 - _TOP)
    bar = large & (kind <= _LONG_FIRE_BAR) & on_screen
    _draw_fire_bars(planes, left, x, y, bar, kind, angle)


def _draw_lifts(
    planes: NDArray[np.int8],
    left: NDArray[np.int64],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    lift: NDArray[np.bool_],
    kind: NDArray[np.uint8],
    short: NDArray[np.bool_],
) -> None:
    width = np.where(kind >= _FIRST_SMALL_LIFT, TILE, np.where(short, 2 * TILE, 3 * TILE))
    for offset in range(0, 3 * TILE, TILE):
        _put(planes, PLATFORMS, left, x + offset, y, lift & (offset < width))


def _draw_fire_bars(
    planes: NDArray[np.int8],
    left: NDArray[np.int64],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    bar: NDArray[np.bool_],
    kind: NDArray[np.uint8],
    angle: NDArray[np.int64],
) -> None:
    turn = (angle % 32) * (2 * np.pi / 32)
    balls = np.where(kind == _LONG_FIRE_BAR, 12, 6)
    for ball in range(12):
        ball_x = x + 4 + np.rint(8 * ball * np.sin(turn)).astype(np.int64)
        ball_y = y + 4 - np.rint(8 * ball * np.cos(turn)).astype(np.int64)
        _put(planes, FIRE_BARS, left, ball_x, ball_y, bar & (ball < balls))


def _put(
    planes: NDArray[np.int8],
    channel: int | NDArray[np.int64],
    left: NDArray[np.int64],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    which: NDArray[np.bool_],
) -> None:
    """Mark the tiles of some points, all ``[things, lanes]``: ``x`` px in the area, ``y`` px in the grid.

    ``left`` is the screen's first column in the area, ``[lanes]``.
    """
    column = x // TILE - left
    row = y // TILE
    # Taken as unsigned, what is negative is far too large.
    inside = which & (row.view(np.uint64) < ROWS) & (column.view(np.uint64) < COLUMNS)
    lane = np.arange(len(planes))
    at_once = ((lane * len(CHANNELS) + channel) * ROWS + row) * COLUMNS + column
    planes.reshape(-1)[at_once[inside]] = 1
