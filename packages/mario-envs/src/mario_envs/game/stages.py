"""The 32 stages: their names, how to begin one, and the moments that end it."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np

from mario_envs.buttons import Button
from mario_envs.emulators.protocol import Emulator, EmulatorError, StopCondition
from mario_envs.game import ram_map as at
from mario_envs.game.ram_map import GameMode, ModeTask, PlayerState

#: "1-1" … "8-4".
STAGES = tuple(f"{world}-{stage}" for world in range(1, 9) for stage in range(1, 5))

# Worlds whose second stage begins with a scene of Mario walking into a pipe, which counts as an area.
_WORLDS_WITH_ENTRANCE = (1, 2, 4, 7)

# The title takes some 40 frames and the clock ticks every 24; a ROM that needs more does not start at all.
_MAX_START_FRAMES = 2_000

#: A step ends early at these moments: the flag, the axe, a hit, a pit.
ENDINGS = (
    StopCondition(at.PLAYER_STATE.address, PlayerState.FLAGPOLE, PlayerState.LOSES_LIFE),
    StopCondition(at.PLAYER_STATE.address, PlayerState.DYING, PlayerState.DYING),
    StopCondition(at.GAME_MODE.address, GameMode.END_OF_WORLD, GameMode.GAME_OVER),
    StopCondition(at.DEATH_MUSIC.address, 1, 255),
)

#: The longest end of a stage: flag, fireworks, castle, next stage's first frame. Seen: some 900 frames.
MAX_ENDING_FRAMES = 3_600

_GAME_OVER = StopCondition(at.GAME_MODE.address, GameMode.GAME_OVER, GameMode.GAME_OVER)

#: After the flag or a death: the game loads the next area (all score is counted then), or is over.
AFTER_STAGE = (StopCondition(at.MODE_TASK.address, ModeTask.LOADS_AREA, ModeTask.LOADS_AREA), _GAME_OVER)

#: After the axe: the bridge has fallen and the message has been shown.
AFTER_AXE = (StopCondition(at.MODE_TASK.address, ModeTask.AFTER_MESSAGE, ModeTask.AFTER_MESSAGE),)

#: The next area is there. While it loads, PLAYER_STATE may still be what it was before.
AREA_LOADED = (StopCondition(at.MODE_TASK.address, ModeTask.PLAYS, ModeTask.PLAYS), _GAME_OVER)

#: The player can be steered again, or the game is over.
IN_PLAY = (StopCondition(at.PLAYER_STATE.address, PlayerState.NORMAL, PlayerState.NORMAL), _GAME_OVER)


def parse_stage(name: str) -> tuple[int, int]:
    """Return (world, stage) of a name such as "4-2".

    Raises:
        ValueError: there is no such stage; the message names the nearest.
    """
    if name not in STAGES:
        near = get_close_matches(str(name), STAGES, n=1, cutoff=0.0)[0]
        raise ValueError(f'there is no stage {name!r}; stages are "1-1" to "8-4", the nearest is "{near}"')
    world, stage = name.split("-")
    return int(world), int(stage)


def start_stage(emulator: Emulator, lane: int, name: str) -> None:
    """Switch a console on and play through the title, to where the stage's clock has ticked once.

    Start is pressed and released every other frame and the stage's numbers are written in between.
    It must begin at once: once the title's demo runs, writing the numbers no longer chooses the level.

    Raises:
        ValueError: there is no such stage.
        EmulatorError: the game did not start; is it Super Mario Bros.?
    """
    world, stage = parse_stage(name)
    area = stage + (stage >= 2 and world in _WORLDS_WITH_ENTRANCE)
    lanes = np.array([lane], np.intp)

    emulator.power_on(lane)
    emulator.press(lane, Button.START)
    emulator.press(lane, Button(0))
    clock = 0
    for frame in range(_MAX_START_FRAMES):
        ram = emulator.ram(lanes)
        # The title's demo may show a clock for a frame, where Start comes a frame late for it.
        in_game = at.GAME_MODE.read(ram)[0] == GameMode.GAME
        now = int(at.CLOCK.read(ram)[0]) if in_game else 0
        if 0 < now == clock - 1:
            return
        clock = now
        if clock:
            emulator.press(lane, Button(0))
        elif frame % 2 == 0:
            emulator.press(lane, Button.START)
            emulator.poke(lane, at.WORLD.address, world - 1)
            emulator.poke(lane, at.STAGE.address, stage - 1)
            emulator.poke(lane, at.AREA_NUMBER.address, area - 1)
        else:
            emulator.press(lane, Button(0))
            emulator.poke(lane, at.PRE_LEVEL_TIMER.address, 0)
    raise EmulatorError(
        f"the game did not start stage {name} within {_MAX_START_FRAMES} frames; is this ROM the game?"
    )
