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
Hidden blocks are left out: a player does not see them either.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mario_envs.game import ram_map as at
from mario_envs.game.ram_map import Fields

ROWS, COLUMNS, TILE = 13, 16, 16
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

# RAM holds two pages of 13 × 16 tiles, even and odd; the screen lies across them. For each of the 32 columns
# that its left edge may be in: where in RAM its tiles are.
_column = np.arange(2 * COLUMNS)[:, None, None] + np.arange(COLUMNS)
_row = np.arange(ROWS)[:, None]
_page = _column // COLUMNS % 2
_TILES_FROM = at.LEVEL_TILES.address + (_page * ROWS + _row) * COLUMNS + _column % COLUMNS

# Everything that fills one tile, or two: enemies, Mario's fireballs, hammers, Mario's lower and upper half.
# Their state, x and y are three blocks of equal order, so that one read and one calculation serve them all.
_FIELDS = Fields(
    at.SCREEN_X, at.AREA_TYPE, at.HARD_MODE, at.ENEMY_TYPE,
    at.ENEMY_ACTIVE, at.FIREBALL_STATE, at.MISC_STATE, at.PLAYER_STATE, at.POWER_UP,
    at.ENEMY_X, at.FIREBALL_X, at.MISC_X, at.X, at.X,
    at.ENEMY_Y, at.FIREBALL_Y, at.MISC_Y, at.Y, at.Y,
)  # fmt: skip
_SLOTS = (at.ENEMY_TYPE.size, at.FIREBALL_STATE.size, at.MISC_STATE.size, 1, 1)
_ENEMY = slice(at.ENEMY_TYPE.size)


def _per_thing(*values: int) -> NDArray[np.int64]:
    """Return a column with one value for each thing, given one for each kind."""
    return np.repeat(np.array(values, np.int64), _SLOTS)[:, None]


# From a thing's corner to a point in the tile that it fills. An enemy's feet are 24 px below its y; Mario's y
# is the top of two tiles, the upper of which is empty while he is small.
_TO_MIDDLE_X = _per_thing(8, 4, 4, 8, 8)
_TO_MIDDLE_Y = _per_thing(16, 4, 4, 24, 8)
# Where the grid's first row is in y; fireballs and hammers have no page.
_GRID_TOP = _TOP + _per_thing(256, 0, 0, 256, 256)
# A thing is there if its state is at least this. Misc objects below 0x80 are coins that jump out of blocks.
_THERE_FROM = _per_thing(0x01, 0x01, 0x80, 0x00, 0x01)
_CHANNEL = _per_thing(ENEMIES, PROJECTILES, PROJECTILES, MARIO, MARIO)


def grid(ram: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the grid of every lane: uint8 ``[lanes, 2048]`` → int8 ``[lanes, 7, 13, 16]`` of 0 and 1."""
    planes = np.zeros((len(ram), len(CHANNELS), ROWS, COLUMNS), np.int8)
    rows = _FIELDS.read(ram)
    screen_x, area_type, hard_mode = rows[:3]
    left = screen_x // TILE
    _draw_level(planes, ram, left)

    kind = rows[3 : 3 + at.ENEMY_TYPE.size]
    state, x, y = rows[3 + at.ENEMY_TYPE.size :].reshape(3, len(_CHANNEL), -1)
    y -= _GRID_TOP
    there = state >= _THERE_FROM
    channel = np.repeat(_CHANNEL, len(ram), axis=1)
    channel[_ENEMY] = _CHANNEL_OF_ENEMY.take(kind)
    _put(planes, channel, left, x + _TO_MIDDLE_X, y + _TO_MIDDLE_Y, there & (channel >= 0))

    large = there[_ENEMY] & (kind >= _FIRST_FIRE_BAR) & (kind <= _LAST_LIFT)
    if large.any():
        x, y = x[_ENEMY], y[_ENEMY]
        short = (area_type == _CASTLE) | (hard_mode != 0)
        _draw_lifts(planes, left, x, y, large & (kind >= _FIRST_LIFT), kind, short)
        on_screen = (y >= -_TOP) & (y < 256 - _TOP)
        bar = large & (kind <= _LONG_FIRE_BAR) & on_screen
        _draw_fire_bars(planes, left, x, y, bar, kind, at.FIRE_BAR_ANGLE.read(ram).T)
    return planes


def _draw_level(planes: NDArray[np.int8], ram: NDArray[np.uint8], left: NDArray[np.int64]) -> None:
    lane = np.arange(len(ram))[:, None, None]
    tiles = ram.reshape(-1).take(_TILES_FROM[left % (2 * COLUMNS)] + lane * ram.shape[1])
    channel = _CHANNEL_OF_TILE.take(tiles)
    planes[:, LEVEL] = channel == LEVEL
    planes[:, ITEMS] = channel == ITEMS


def _draw_lifts(
    planes: NDArray[np.int8],
    left: NDArray[np.int64],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    lift: NDArray[np.bool_],
    kind: NDArray[np.int64],
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
    kind: NDArray[np.int64],
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
