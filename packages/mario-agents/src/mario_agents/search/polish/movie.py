"""The polishing of one movie: a better one that was proved by playing it, never a worse."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mario_envs.buttons import PLAYED, Button
from mario_envs.emulators.native import NativeEmulator
from mario_envs.game.roms import Rom
from mario_envs.game.stages import parse_stage
from mario_envs.movies.file import read_movie, write_movie
from mario_envs.movies.movie import POWER_ON, Movie, MovieError
from mario_envs.movies.replay import differences, record, replay

from mario_agents.errors import AgentsError
from mario_agents.search.polish.goals import PolishGoal
from mario_agents.search.polish.hand import hand_of
from mario_agents.search.polish.polisher import Polisher
from mario_agents.search.progress import Show

_SECONDS_BETWEEN_STANDINGS = 0.25
_EMULATOR = "builtin/native"
_SIX = sum(int(button) for button in PLAYED)
_OPPOSITE = (Button.LEFT | Button.RIGHT, Button.UP | Button.DOWN)


@dataclass(frozen=True)
class PolishConfig:
    """How to polish; the same for all stages.

    Attributes:
        goal: which of two clears is the better.
        seed: of everything that is drawn; each stage has a stream of its own.
        frames: a movie's budget in emulated frames over all lanes; None is without end.
        seconds: a movie's budget in seconds, likewise.
        patience: edits that were tried since the last that made it better, after which no more are.
        lanes: consoles side by side. Another number finds something else.
        threads: processor cores to use; 0 is all. Any number finds the same.
    """

    goal: PolishGoal = PolishGoal.HAND
    seed: int = 0
    frames: int | None = None
    seconds: float | None = None
    patience: int = 5_000
    lanes: int = 32
    threads: int = 0


@dataclass(frozen=True)
class Figures:
    """A movie in figures.

    Attributes:
        frames: of the movie.
        score: points, all that the game counts at the end included.
        changes: controller changes, as in :class:`~mario_agents.search.polish.hand.Hand`.
        changes_per_second: of these.
        presses: holds, of all buttons.
        mean_hold: their mean length in frames.
    """

    frames: int
    score: int
    changes: int
    changes_per_second: float
    presses: int
    mean_hold: float

    @classmethod
    def of(cls, movie: Movie) -> Figures:
        """Return the figures of a movie."""
        hand = hand_of(movie.buttons)
        return cls(
            frames=movie.outcome.frames,
            score=movie.outcome.score,
            changes=hand.changes,
            changes_per_second=round(hand.changes_per_second, 3),
            presses=hand.presses,
            mean_hold=round(hand.mean_hold, 2),
        )


@dataclass(frozen=True)
class Polished:
    """What the polishing of a movie came to.

    Attributes:
        movie: the file that came in.
        polished: the file that was written.
        stage: which.
        before: the movie that came in.
        after: the movie that was written.
        tried: edits that were played.
        kept: of these, edits that made it better.
        frames_played: emulated, over all lanes.
        seconds: that it took.
        stopped_by: "frames", "seconds", "patience", or a signal's name.
    """

    movie: str
    polished: str
    stage: str
    before: Figures
    after: Figures
    tried: int
    kept: int
    frames_played: int
    seconds: float
    stopped_by: str


@dataclass(frozen=True)
class Standing:
    """How far the polishing of a movie is.

    Attributes:
        name: of the movie.
        first: buttons of the movie that came in.
        best: buttons of the best so far.
        tried: edits that were played.
        kept: of these, edits that made it better.
        frames_per_second: emulated, over all lanes.
    """

    name: str
    first: bytes
    best: bytes
    tried: int
    kept: int
    frames_per_second: float

    def line(self) -> str:
        """Say it in one line."""
        before, after = hand_of(self.first), hand_of(self.best)
        return " | ".join(
            [
                f"{self.name}: {before.frames:,} -> {after.frames:,} frames",
                f"{before.changes_per_second:.2f} -> {after.changes_per_second:.2f} changes/s",
                f"holds {before.mean_hold:.1f} -> {after.mean_hold:.1f}",
                f"{self.tried:,} edits tried, {self.kept:,} kept",
                f"{self.frames_per_second:,.0f} frames/s",
            ]
        )


def read_clear(path: Path, rom: Rom) -> Movie:
    """Read a movie that can be polished, and prove it.

    Args:
        path: of the movie.
        rom: the one that it was recorded with.

    Raises:
        AgentsError: it is damaged, of another ROM, clears no stage, does not come out as it says, or presses
            what a player cannot.
    """
    try:
        movie = read_movie(path)
    except MovieError as error:
        raise AgentsError(str(error)) from None
    if movie.start == POWER_ON:
        raise AgentsError(f"{path} starts at power-on; only a movie of one stage can be polished")
    for frame, byte in enumerate(movie.buttons):
        if byte & ~_SIX or any(byte & both == both for both in _OPPOSITE):
            raise AgentsError(
                f"{path} presses {Button(byte)!s} in frame {frame}; only up or down, left or right, "
                "A and B can be polished"
            )
    try:
        wrong = differences(movie, replay(movie, rom=rom, emulator=_EMULATOR))
    except MovieError as error:
        raise AgentsError(f"{path}: {error}") from None
    if wrong:
        raise AgentsError(f"{path} does not come out as it says: {'; '.join(wrong)}")
    if not movie.outcome.clear:
        raise AgentsError(f"{path} does not clear stage {movie.start}; polish one that does")
    return movie


def polish_movie(
    path: Path,
    movie: Movie,
    config: PolishConfig,
    rom: Rom,
    out: Path,
    *,
    show: Show = lambda standing: None,
    interrupted: Callable[[], str | None] = lambda: None,
) -> Polished:
    """Polish one movie.

    Args:
        path: of the movie.
        movie: what :func:`read_clear` read there.
        config: how.
        rom: the one that it was recorded with.
        out: the folder that the better movie is written to, under the same name. It has none of that name.
        show: sees the standing now and then.
        interrupted: asked now and then; a reason ends the polishing, and what is best is kept.

    Raises:
        AgentsError: the movie clears another stage than it starts in.
        EmulatorError: the native emulator cannot be used.
        OSError: the better movie cannot be written.
    """
    began = time.monotonic()
    emulator = NativeEmulator(rom, config.lanes, num_threads=config.threads)
    try:
        polisher = _polisher(movie, config, emulator, path)
        next_standing = began
        while (stopped_by := interrupted() or _over(polisher, config, began)) is None:
            polisher.advance()
            if time.monotonic() >= next_standing:
                show(_standing(polisher, movie, path, began))
                next_standing = time.monotonic() + _SECONDS_BETWEEN_STANDINGS
    finally:
        emulator.close()
    better = record(movie.start, polisher.best.buttons, rom=rom, emulator=_EMULATOR)
    if not better.outcome.clear or _cost(better, config.goal) > _cost(movie, config.goal):
        raise AgentsError(f"what {path} was polished to is not so when it is played; report this")
    out.mkdir(parents=True, exist_ok=True)
    write_movie(better, out / path.name)
    return Polished(
        movie=str(path),
        polished=str(out / path.name),
        stage=movie.start,
        before=Figures.of(movie),
        after=Figures.of(better),
        tried=polisher.tried,
        kept=polisher.kept,
        frames_played=polisher.frames,
        seconds=round(time.monotonic() - began, 2),
        stopped_by=stopped_by,
    )


def _polisher(movie: Movie, config: PolishConfig, emulator: NativeEmulator, path: Path) -> Polisher:
    random = np.random.default_rng([config.seed, *parse_stage(movie.start)])
    try:
        return Polisher(emulator, movie.start, movie.buttons, random=random, goal=config.goal)
    except ValueError:  # it is proved, so that it can only have left the stage
        raise AgentsError(f"{path} clears another stage than {movie.start}, by a warp zone") from None


def _cost(movie: Movie, goal: PolishGoal) -> tuple[int, ...]:
    return goal.cost(movie.buttons, movie.outcome.score)


def _over(polisher: Polisher, config: PolishConfig, began: float) -> str | None:
    if config.frames is not None and polisher.frames >= config.frames:
        return "frames"
    if config.seconds is not None and time.monotonic() - began >= config.seconds:
        return "seconds"
    return "patience" if polisher.since_kept >= config.patience else None


def _standing(polisher: Polisher, movie: Movie, path: Path, began: float) -> Standing:
    return Standing(
        name=path.name,
        first=movie.buttons,
        best=polisher.best.buttons,
        tried=polisher.tried,
        kept=polisher.kept,
        frames_per_second=polisher.frames / max(time.monotonic() - began, 1e-9),
    )
