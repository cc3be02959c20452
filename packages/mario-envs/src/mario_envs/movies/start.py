"""Episodes that begin within a movie, as a curriculum wants that moves the start back (arXiv 1812.03381)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from mario_envs.buttons import Button, ButtonPlan
from mario_envs.emulators.protocol import Emulator, EmulatorError
from mario_envs.game import stages
from mario_envs.game.roms import Rom
from mario_envs.game.state import decode
from mario_envs.movies.file import read_movie
from mario_envs.movies.holds import check_of_a_stage
from mario_envs.movies.movie import Movie, MovieError
from mario_envs.settings import Settings, Start

#: Frames between two saved consoles: a reset plays fewer than these, in a millisecond or so.
_EVERY = 16


class MovieStart:
    """Puts consoles where a movie stands after some of its frames.

    Where the emulator restores any state in any lane, the consoles on the way are saved once for all lanes;
    where it keeps one per lane (nes-py), that is the one at the first frame that episodes begin at.

    Args:
        settings: of the environment; ``start`` is not None.
        rom: that the emulator has.
        emulator: whose lanes have not begun; plays the movie once, in lane 0.

    Raises:
        MovieError: the movie is damaged, of another stage or ROM, plays otherwise here, or leaves no frame
            to begin at.
    """

    def __init__(self, settings: Settings, rom: Rom, emulator: Emulator) -> None:
        start = Start.of(settings.start)
        self._movie = _read(start, settings, rom)
        self._emulator = emulator
        self._max_noops = settings.max_noops
        self._first = start.first
        self._last = self._movie.outcome.frames - 1 if start.last is None else start.last
        #: Frames of the movie that were played → console, for all lanes.
        self._saved: dict[int, bytes] = {}
        #: Lane → console after the first frames, where that is the only one which can be kept.
        self._saved_first: dict[int, bytes] = {}
        #: Frames of the movie that were played → the most that can be waited there; see :meth:`_longest`.
        self._longest_waits: dict[int, int] = {}
        self._play_once(Path(start.movie))
        # Later frames may be over as they begin. Backwards, as mostly the very last will do.
        if all(self._longest(0, frame) < 0 for frame in range(self._last, self._first - 1, -1)):
            raise MovieError(
                f"{start.movie}: from frame {self._first} to {self._last} the stage is over at once without "
                "a button; use an earlier start.first"
            )

    def go(self, lane: int, random: np.random.Generator) -> int:
        """Put one console where an episode begins.

        Args:
            lane: which.
            random: draws the frame of the movie, among those where the player lives on without a button,
                then how long to wait there.

        Returns:
            Frames to wait, at most ``max_noops``. The one after them does not end the stage either.
        """
        longest = -1
        while longest < 0:
            frame = int(random.integers(self._first, self._last + 1))
            longest = self._longest(lane, frame)
        self._go_to(lane, frame)
        return int(random.integers(longest + 1))

    def _longest(self, lane: int, frame: int) -> int:
        """Return how many frames can be waited, and one more, before the stage is over; -1 if none can."""
        if frame not in self._longest_waits:
            self._go_to(lane, frame)
            lanes, idle = np.array([lane], np.intp), ButtonPlan.steady(Button(0), self._max_noops + 1)
            ran = self._emulator.run(lanes, idle, stop=stages.ENDINGS)
            state = decode(self._emulator.ram(lanes))
            self._longest_waits[frame] = int(ran[0]) - 1 - bool(state.clear[0] | state.dead[0])
        return self._longest_waits[frame]

    def _go_to(self, lane: int, frame: int) -> None:
        """Put one console where the movie stands after so many frames."""
        near = frame - frame % _EVERY
        try:
            self._emulator.restore(lane, self._saved[near])
        except EmulatorError:  # nes-py keeps one state per lane
            self._go_to_first(lane)
            near = self._first
        self._play(lane, near, frame)

    def _go_to_first(self, lane: int) -> None:
        saved = self._saved_first.get(lane)
        if saved is not None:
            try:
                self._emulator.restore(lane, saved)
                return
            except EmulatorError:  # someone has saved this lane meanwhile
                pass
        stages.start_stage(self._emulator, lane, self._movie.start)
        self._play(lane, 0, self._first)
        self._saved_first[lane] = self._emulator.save(lane)

    def _play(self, lane: int, first: int, last: int) -> None:
        for byte in self._movie.buttons[first:last]:
            self._emulator.press(lane, Button(byte))

    def _play_once(self, path: Path) -> None:
        """Prove that the movie plays here as it did where it was made, and save consoles on the way."""
        stages.start_stage(self._emulator, 0, self._movie.start)
        for near in range(0, len(self._movie.buttons), _EVERY):
            if self._first - _EVERY < near <= self._last:
                self._saved[near] = self._emulator.save(0)
            self._play(0, near, near + _EVERY)
        ram = self._emulator.ram(np.zeros(1, np.intp))
        if hashlib.sha256(ram.tobytes()).hexdigest() != self._movie.outcome.ram_sha256:
            raise MovieError(
                f"{path} does not end here as it says: it was recorded on {self._movie.emulator}; use that "
                "emulator, or a movie recorded on this one"
            )


def _read(start: Start, settings: Settings, rom: Rom) -> Movie:
    """Read the movie, and check all that can be without playing it."""
    path = Path(start.movie)
    movie = read_movie(path)
    check_of_a_stage(movie, str(path))
    if settings.stages != (movie.start,):
        raise MovieError(
            f"{path} is of stage {movie.start}, the environment has {', '.join(settings.stages)}: episodes "
            "begin in a movie of the one stage that there is"
        )
    movie.check_rom(rom, str(path))
    frames = movie.outcome.frames
    for name, value in (("first", start.first), ("last", start.last)):
        if value is not None and value >= frames:
            raise MovieError(f"{path} ends with frame {frames}: start.{name} must be below, not {value}")
    return movie
