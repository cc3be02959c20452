"""The game as numbers: RAM decoded for all lanes at once."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_envs.game import ram_map as at
from mario_envs.game.ram_map import Fields, GameMode, PlayerState

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class GameState:
    """What a reward or an observation may know of every lane. Arrays of shape ``[lanes]``.

    Attributes:
        x: player x in the area, px; below 0 where a maze led back beyond its beginning.
        y: player y on the screen, px from the top; above 240 when falling out.
        screen_x: left edge of the picture in the area, px.
        x_speed: 1/16 px per frame, to the right.
        y_speed: px per frame, downwards.
        area: which map ``x`` belongs to; differs between a stage and its bonus rooms.
        score: points, with the millions digit.
        coins: 0–99.
        time: the game's clock, 0–400.
        lives: lives left after this one; -1 when the game is over.
        power_up: 0 small, 1 big, 2 fire.
        world: 1–8.
        stage: 1–4.
        moved_by_game: the player cannot be steered: pipes, vines, entrances, the flag.
        clear: the flag or the axe was touched in the step that led here.
        dead: a life was lost in the step that led here.
        score_at_start: score when the episode, or the life, began.
        frame: frames since the episode began.
        sent_back: px that a maze has sent the player back and that were not walked again.
    """

    x: Ints
    y: Ints
    screen_x: Ints
    x_speed: Ints
    y_speed: Ints
    area: Ints
    score: Ints
    coins: Ints
    time: Ints
    lives: Ints
    power_up: Ints
    world: Ints
    stage: Ints
    moved_by_game: Bools
    clear: Bools
    dead: Bools
    score_at_start: Ints
    frame: Ints
    sent_back: Ints

    def take(self, rows: NDArray[np.intp] | slice) -> GameState:
        """Return the state of some lanes, in that order; of all, as a slice, itself."""
        if isinstance(rows, slice) and rows == slice(None):
            return self
        return GameState(*[array[rows] for array in vars(self).values()])

    def put(self, rows: NDArray[np.intp] | slice, other: GameState) -> None:
        """Write ``other`` over some lanes, in place."""
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine[rows] = theirs

    @classmethod
    def blank(cls, lanes: int) -> GameState:
        """Return a state of zeros, to be put into."""
        arrays: dict[str, Any] = {field.name: np.zeros(lanes, np.int64) for field in fields(cls)}
        flags = {name: np.zeros(lanes, bool) for name in ("moved_by_game", "clear", "dead")}
        return cls(**arrays | flags)


_IS_MOVED_BY_GAME = np.isin(np.arange(256), PlayerState.MOVED_BY_GAME)
_IS_AT_FLAG = np.isin(np.arange(256), (PlayerState.FLAGPOLE, PlayerState.WALKS_TO_CASTLE))
_IS_HIT = np.isin(np.arange(256), (PlayerState.DYING, PlayerState.LOSES_LIFE))


_FIELDS = Fields(
    at.X,
    at.Y,
    at.SCREEN_X,
    at.X_SPEED,
    at.Y_SPEED,
    at.AREA_DATA,
    at.SCORE,
    at.COINS,
    at.CLOCK,
    at.LIVES,
    at.POWER_UP,
    at.WORLD,
    at.STAGE,
    at.PLAYER_STATE,
    at.GAME_MODE,
    at.DEATH_MUSIC,
)


def decode(
    ram: NDArray[np.uint8], *, score_at_start: Ints | None = None, frame: Ints | None = None
) -> GameState:
    """Decode the RAM of all lanes, uint8 ``[lanes, 2048]``.

    ``clear`` and ``dead`` are read as they stand in RAM at this moment: a lane is clear while it slides down
    the flagpole, walks to the castle, or has touched the axe; it is dead while it loses a life to an enemy or
    the clock, or in a pit. Falling below the screen is not enough: out of a bonus room in the clouds it leads
    back to the stage. The game tells the two apart by loading its death music.
    """
    (
        x, y, screen_x, x_speed, y_speed, area, tens, coins, time, lives, power_up, world, stage,
        player_state, game_mode, death_music,
    ) = _FIELDS.read(ram)  # fmt: skip
    clear = _IS_AT_FLAG.take(player_state) | (game_mode == GameMode.END_OF_WORLD)
    score = tens * 10
    return GameState(
        x=x,
        y=y - 256,
        screen_x=screen_x,
        x_speed=x_speed,
        y_speed=y_speed,
        area=area,
        score=score,
        coins=coins,
        time=time,
        lives=lives,
        power_up=np.minimum(power_up, 2),
        world=world + 1,
        stage=stage + 1,
        moved_by_game=_IS_MOVED_BY_GAME.take(player_state),
        clear=clear,
        dead=(_IS_HIT.take(player_state) & ~clear) | (death_music != 0),
        score_at_start=score.copy() if score_at_start is None else score_at_start,
        frame=np.zeros_like(score) if frame is None else frame,
        sent_back=np.zeros_like(score),
    )
