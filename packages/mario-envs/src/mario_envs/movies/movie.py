"""What a movie is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from mario_envs.game.roms import Rom

#: The start of a movie that begins as the console is switched on; any other is a stage's name.
POWER_ON = "power-on"


class MovieError(ValueError):
    """A movie that cannot be read or played; the message says why, in one line."""


@dataclass(frozen=True)
class Outcome:
    """What came of playing a movie.

    Attributes:
        frames: how many ran. A movie of a stage ends, as an episode does, at the first clear or death.
        score: points. Where the stage was cleared, with all that the game counts after it.
        clear: whether the flag or the axe was touched at the last frame.
        dead: whether a life was lost at the last frame.
        ram_sha256: of the console's 2 KiB work RAM after the last frame.
    """

    frames: int
    score: int
    clear: bool
    dead: bool
    ram_sha256: str


@dataclass(frozen=True)
class Movie:
    """The buttons of every frame, where they begin, and what came of them when they were recorded.

    Attributes:
        start: a stage such as "4-2", where its clock has ticked once
            (:func:`mario_envs.game.stages.start_stage`), or :data:`POWER_ON`.
        buttons: a byte for each frame, the bits of :class:`mario_envs.buttons.Button`. What an environment's
            reset waits (one frame, and its no-ops) is part of them.
        outcome: as it was recorded.
        rom_sha256: of the ROM file.
        rom_revision: its name, for people.
        emulator: key of the emulator that recorded it.
        version: of mario-envs that recorded it.
    """

    start: str
    buttons: bytes
    outcome: Outcome
    rom_sha256: str
    rom_revision: str
    emulator: str
    version: str

    def check_rom(self, rom: Rom, name: str = "the movie") -> None:
        """Check that it was recorded with this ROM: with another its buttons play another game.

        Args:
            rom: that is to play it.
            name: what to call the movie.

        Raises:
            MovieError: it was not.
        """
        if rom.sha256 != self.rom_sha256:
            raise MovieError(
                f"{name} was recorded with the ROM {self.rom_revision} (SHA-256 {self.rom_sha256}), this is "
                f"another ROM, {rom.revision} ({rom.sha256}): give its own with --rom, in Python with rom="
            )


def runs(buttons: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Group frames with the same buttons.

    Returns:
        Pairs of frames and buttons.

    >>> list(runs(bytes([128, 128, 129])))
    [(2, 128), (1, 129)]
    """
    for value, group in groupby(buttons):
        yield sum(1 for _ in group), value
