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

ROWS, COLUMNS, TILE = 13, 16, 16
CHANNELS = ("level", "items", "enemies", "platforms", "fire bars", "projectiles", "mario")
LEVEL, ITEMS, ENEMIES, PLATFORMS, FIRE_BARS, PROJECTILES, MARIO = range(len(CHANNELS))

_TOP = 32

# Level tiles (the disassembly's metatile numbers): coins and the axe, and what is nothing or a hidden block.
_IS_ITEM = np.zeros(256, np.uint8)
_IS_ITEM[[0xC2, 0xC3, 0xC5]] = 1
_IS_LEVEL = 1 - _IS_ITEM
_IS_LEVEL[[0x00, 0x5F, 0x60]] = 0

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


def grid(ram: NDArray[np.uint8]) -> NDArray[np.int8]:
    """Return the grid of every lane: uint8 ``[lanes, 2048]`` → int8 ``[lanes, 7, 13, 16]`` of 0 and 1."""
    planes = np.zeros((len(ram), len(CHANNELS), ROWS, COLUMNS), np.int8)
    left = at.SCREEN_X_PAGE.read(ram) * 256 + at.SCREEN_X_PIXEL.read(ram)
    _draw_level(planes, ram, left)
    _draw_enemies(planes, ram, left)
    _draw_projectiles(planes, ram, left)
    _draw_mario(planes, ram, left)
    return planes


def _draw_level(planes: NDArray[np.int8], ram: NDArray[np.uint8], left: NDArray[np.int64]) -> None:
    """RAM holds two pages of 13 × 16 tiles, even and odd; the screen lies across them."""
    column = left[:, None] // TILE + np.arange(COLUMNS)
    page, within = column // COLUMNS % 2, column % COLUMNS
    index = (page * ROWS * COLUMNS + within)[:, None, :] + np.arange(ROWS)[:, None] * COLUMNS
    tiles = at.LEVEL_TILES.read(ram)[np.arange(len(ram))[:, None, None], index]
    planes[:, LEVEL] = _IS_LEVEL[tiles]
    planes[:, ITEMS] = _IS_ITEM[tiles]


def _draw_enemies(planes: NDArray[np.int8], ram: NDArray[np.uint8], left: NDArray[np.int64]) -> None:
    there = (at.ENEMY_ACTIVE.read(ram) != 0) & (at.ENEMY_Y_PAGE.read(ram) == 1)
    kind = at.ENEMY_TYPE.read(ram)
    x = at.ENEMY_X_PAGE.read(ram) * 256 + at.ENEMY_X_PIXEL.read(ram)
    y = at.ENEMY_Y_PIXEL.read(ram)

    # An enemy's feet are 24 px below its y; its middle lies in the tile it stands in.
    channel = _CHANNEL_OF_ENEMY[kind]
    _put(planes, channel, left, x + TILE // 2, y + TILE, there & (channel >= 0))

    lift = there & (kind >= _FIRST_LIFT) & (kind <= _LAST_LIFT)
    if lift.any():
        short = (at.AREA_TYPE.read(ram) == _CASTLE) | (at.HARD_MODE.read(ram) != 0)
        width = np.where(kind >= _FIRST_SMALL_LIFT, TILE, np.where(short, 2 * TILE, 3 * TILE)[:, None])
        for offset in range(0, 3 * TILE, TILE):
            _put(planes, PLATFORMS, left, x + offset, y, lift & (offset < width))

    bar = there & (kind >= _FIRST_FIRE_BAR) & (kind <= _LONG_FIRE_BAR)
    if bar.any():
        turn = (at.FIRE_BAR_ANGLE.read(ram) % 32) * (2 * np.pi / 32)
        balls = np.where(kind == _LONG_FIRE_BAR, 12, 6)
        for ball in range(12):
            ball_x = x + 4 + np.rint(8 * ball * np.sin(turn)).astype(np.int64)
            ball_y = y + 4 - np.rint(8 * ball * np.cos(turn)).astype(np.int64)
            _put(planes, FIRE_BARS, left, ball_x, ball_y, bar & (ball < balls))


def _draw_projectiles(planes: NDArray[np.int8], ram: NDArray[np.uint8], left: NDArray[np.int64]) -> None:
    kinds = (
        (at.FIREBALL_STATE, at.FIREBALL_X_PAGE, at.FIREBALL_X_PIXEL, at.FIREBALL_Y_PIXEL, 0x01),
        (at.MISC_STATE, at.MISC_X_PAGE, at.MISC_X_PIXEL, at.MISC_Y_PIXEL, 0x80),
    )
    for state, page, pixel, height, thrown in kinds:
        flying = state.read(ram) >= thrown
        if flying.any():
            x = page.read(ram) * 256 + pixel.read(ram) + 4
            _put(planes, PROJECTILES, left, x, height.read(ram) + 4, flying)


def _draw_mario(planes: NDArray[np.int8], ram: NDArray[np.uint8], left: NDArray[np.int64]) -> None:
    """Draw Mario; y is the top of two tiles, the upper of which is empty while he is small."""
    on_screen = at.Y_PAGE.read(ram) == 1
    big = at.POWER_UP.read(ram) != 0
    x = at.X_PAGE.read(ram) * 256 + at.X_PIXEL.read(ram) + TILE // 2
    y = at.Y_ON_SCREEN.read(ram) + TILE // 2
    tiles = np.column_stack((x, x)), np.column_stack((y + TILE, y))
    _put(planes, MARIO, left, *tiles, np.column_stack((on_screen, on_screen & big)))


def _put(
    planes: NDArray[np.int8],
    channel: int | NDArray[np.int64],
    left: NDArray[np.int64],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    which: NDArray[np.bool_],
) -> None:
    """Mark the tiles of some points: ``x`` in the area, ``y`` on the screen, px, all ``[lanes, things]``."""
    column = x // TILE - left[:, None] // TILE
    row = (y - _TOP) // TILE
    inside = which & (row >= 0) & (row < ROWS) & (column >= 0) & (column < COLUMNS)
    lane, thing = np.nonzero(inside)
    channels = channel if isinstance(channel, int) else channel[lane, thing]
    planes[lane, channels, row[lane, thing], column[lane, thing]] = 1
