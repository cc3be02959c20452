"""Playing movies: to record one, to watch one, and to prove that what it says of itself is so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from mario_envs.buttons import Button, ButtonPlan
from mario_envs.emulators.default import default_emulator
from mario_envs.emulators.protocol import Emulator
from mario_envs.game import ram_map, stages
from mario_envs.game.ram_map import GameMode
from mario_envs.game.roms import Rom, load_rom
from mario_envs.game.state import decode
from mario_envs.movies.movie import POWER_ON, Movie, MovieError, Outcome
from mario_envs.plugins.manager import choose

_LANE = np.zeros(1, np.intp)

#: Called after each frame with the emulator, whose lane 0 plays, and the buttons that were down.
Watcher = Callable[[Emulator, Button], None]


def replay(
    movie: Movie, *, rom: Rom | None = None, emulator: str | None = None, watch: Watcher | None = None
) -> Outcome:
    """Play a movie from its start.

    Args:
        movie: which.
        rom: a checked ROM; None takes the bundled one.
        emulator: an emulator's key; None takes the default.
        watch: sees every frame.

    Returns:
        What came of it, which is :attr:`Movie.outcome` on the emulator that recorded it.

    Raises:
        MovieError: it was recorded with another ROM.
    """
    rom = load_rom() if rom is None else rom
    movie.check_rom(rom)
    return _on_a_console(rom, emulator, movie.start, movie.buttons, watch)[0]


def record(start: str, buttons: bytes, *, rom: Rom | None = None, emulator: str | None = None) -> Movie:
    """Make a movie of buttons, by playing them.

    Args:
        start: a stage or :data:`~mario_envs.movies.movie.POWER_ON`.
        buttons: a byte for each frame; what follows the end of a stage is left out.
        rom: a checked ROM; None takes the bundled one.
        emulator: an emulator's key; None takes the default.

    Raises:
        ValueError: there is no such stage.
        MovieError: there are no buttons.

    Example:
        >>> movie = record("1-1", bytes([Button.RIGHT]) * 200)
        >>> movie.outcome.dead, movie.outcome.frames < 200  # the first enemy
        (True, True)
    """
    if not buttons:
        raise MovieError("a movie needs at least 1 frame")
    rom = load_rom() if rom is None else rom
    outcome, key = _on_a_console(rom, emulator, start, buttons, None)
    return Movie(
        start=start,
        buttons=buttons[: outcome.frames],
        outcome=outcome,
        rom_sha256=rom.sha256,
        rom_revision=rom.revision,
        emulator=key,
        version=metadata.version("mario-envs"),
    )


def differences(movie: Movie, outcome: Outcome) -> list[str]:
    """Say in which figures an outcome is not the one that the movie promises; in none if it is proved."""
    promised, found = asdict(movie.outcome), asdict(outcome)
    return [
        f"{name} is {found[name]}, not {promised[name]}" for name in found if found[name] != promised[name]
    ]


def _on_a_console(
    rom: Rom, emulator: str | None, start: str, buttons: bytes, watch: Watcher | None
) -> tuple[Outcome, str]:
    chosen = choose("emulator", emulator or default_emulator(), rom, 1)
    console: Emulator = chosen.value
    try:
        if start == POWER_ON:
            console.power_on(0)
        else:
            stages.start_stage(console, 0, start)
        return _play(console, start, buttons, watch), chosen.record["key"]
    finally:
        console.close()


def _play(console: Emulator, start: str, buttons: bytes, watch: Watcher | None) -> Outcome:
    """Play frame by frame, as Start and Select are in no plan, and as every frame may be watched."""
    ends = () if start == POWER_ON else stages.ENDINGS
    frames = 0
    for byte in buttons:
        console.press(0, Button(byte))
        frames += 1
        if watch is not None:
            watch(console, Button(byte))
        ram = console.ram(_LANE)
        if any(end.is_met(ram[0]) for end in ends):
            break
    state = decode(ram)
    score, clear = int(state.score[0]), bool(state.clear[0])
    if clear:
        score = int(score_when_counted(console, _LANE)[0])
    return Outcome(
        frames=frames,
        score=score,
        clear=clear,
        dead=bool(state.dead[0]),
        ram_sha256=hashlib.sha256(ram.tobytes()).hexdigest(),
    )


def score_when_counted(console: Emulator, lanes: NDArray[np.intp]) -> NDArray[np.int64]:
    """Let the game count time and fireworks into the score, as an episode's last step does.

    Args:
        console: plays on in these lanes.
        lanes: ``[n]``, where the flag or the axe was just touched.

    Returns:
        Points, int64 ``[n]``.
    """
    at_axe = ram_map.GAME_MODE.read(console.ram(lanes)) == GameMode.END_OF_WORLD
    for which, stop in ((at_axe, stages.AFTER_AXE), (~at_axe, stages.AFTER_STAGE)):
        count = int(which.sum())
        if count:
            idle = ButtonPlan.steady(Button(0), stages.MAX_ENDING_FRAMES, count)
            console.run(lanes[which], idle, stop=stop)
    return decode(console.ram(lanes)).score
