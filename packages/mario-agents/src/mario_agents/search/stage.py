"""The search of one stage: a way through it, kept as a movie that was proved by playing it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from mario_envs.emulators import native
from mario_envs.game.roms import Rom, load_rom
from mario_envs.game.stages import STAGES, parse_stage
from mario_envs.movies.file import SUFFIX, write_movie
from mario_envs.movies.movie import Outcome
from mario_envs.movies.replay import record

from mario_agents.atomic import write_atomically
from mario_agents.errors import AgentsError
from mario_agents.search.button_runs import RandomRuns
from mario_agents.search.cells import CellRule, PlaceCells
from mario_agents.search.explorer import Clear, Explorer
from mario_agents.search.goals import Goal
from mario_agents.search.progress import Show, Standing
from mario_agents.search.saved import check_same, load, save
from mario_agents.search.selection import NewAndRare, SelectionRule
from mario_agents.search.tries import TryRule

_SECONDS_BETWEEN_SAVES = 60.0
_SECONDS_BETWEEN_STANDINGS = 0.25

# What the game may still add once the flag or the axe is touched: the flag's own 5,000, six fireworks of
# 500, and 50 for every unit of the clock.
_MOST_ADDED, _PER_TIME = 8_000, 50


@dataclass(frozen=True)
class SearchConfig:
    """How to search; the same for all stages.

    Attributes:
        goal: the first clear, the one with the most points, or the shortest.
        seed: of everything that is drawn; each stage has a stream of its own.
        frames: a stage's budget in emulated frames over all lanes, that of earlier calls included; None is
            without end.
        seconds: a stage's budget in seconds, likewise.
        lanes: consoles side by side. Another number makes another search.
        threads: processor cores to use; 0 is all. Any number makes the same search.
        rom: a ROM of your own; None takes the bundled one.
        cells: what one place is.
        selection: which place is gone back to.
        tries: what is tried there.
    """

    goal: Goal = Goal.CLEAR
    seed: int = 0
    frames: int | None = None
    seconds: float | None = None
    lanes: int = 64
    threads: int = 0
    rom: Path | None = None
    cells: CellRule = field(default_factory=PlaceCells)
    selection: SelectionRule = field(default_factory=NewAndRare)
    tries: TryRule = field(default_factory=RandomRuns)


@dataclass(frozen=True)
class Found:
    """What the search of a stage came to.

    Attributes:
        stage: which.
        solved: a clear was found, and proved by playing it from the stage's start.
        seconds: of search, over all calls.
        frames_searched: emulated, over all lanes and calls.
        cells: places known at the end.
        frames: of the solution; None if there is none.
        score: of the solution, all that the game counts at the end included.
        movie: the solution's file.
        stopped_by: "solved", "frames", "seconds", or a signal's name.
    """

    stage: str
    solved: bool
    seconds: float
    frames_searched: int
    cells: int
    frames: int | None
    score: int | None
    movie: str | None
    stopped_by: str


def parse_stages(names: Sequence[str]) -> tuple[str, ...]:
    """Return the stages that a user names; "all" is all 32.

    Raises:
        ValueError: there is no such stage; names the nearest.

    >>> parse_stages(["1-1", "4-4"]), len(parse_stages(["all"]))
    (('1-1', '4-4'), 32)
    """
    if list(names) == ["all"]:
        return STAGES
    for name in names:
        parse_stage(name)
    return tuple(dict.fromkeys(names))


def search_stage(
    stage: str,
    config: SearchConfig,
    out: Path,
    *,
    show: Show = lambda standing: None,
    interrupted: Callable[[], str | None] = lambda: None,
) -> Found:
    """Search one stage, or go on with its search.

    Args:
        stage: "1-1" to "8-4".
        config: how.
        out: the folder that the movie and, while it is not done, the search are written to.
        show: sees the standing now and then.
        interrupted: asked now and then; a reason ends the search, which can go on later.

    Raises:
        AgentsError: the folder has another search of the stage, or something damaged.
        RomError, EmulatorError: the ROM or the emulator cannot be used.
    """
    rom = load_rom(config.rom)
    out.mkdir(parents=True, exist_ok=True)
    done = _Done(stage, config, out, rom)
    return done.read() or _Search(stage, config, out, rom, done).run(show, interrupted)


class _Done:
    """The result of a search that found what it was for, as a file beside the movie."""

    def __init__(self, stage: str, config: SearchConfig, out: Path, rom: Rom) -> None:
        self._path, self._movie = out / f"{stage}.json", out / f"{stage}{SUFFIX}"
        self.identity: dict[str, Any] = {
            "stage": stage,
            "goal": config.goal.value,
            "seed": config.seed,
            "lanes": config.lanes,
            "rom": rom.sha256,
            "cells": repr(config.cells),
            "selection": repr(config.selection),
            "tries": repr(config.tries),
        }

    def read(self) -> Found | None:
        if not self._path.exists() or not self._movie.exists():
            return None
        try:
            document = json.loads(self._path.read_bytes())
            found, identity = Found(**document["found"]), document["search"]
        except (ValueError, TypeError, KeyError):
            raise AgentsError(f"{self._path} is damaged; delete it, or give another folder") from None
        check_same(self._path, identity, self.identity)
        return found

    def write(self, found: Found) -> None:
        document = {"search": self.identity, "found": asdict(found)}
        write_atomically(self._path, f"{json.dumps(document, indent=2)}\n".encode())


class _Search:
    """The search of one stage."""

    def __init__(self, stage: str, config: SearchConfig, out: Path, rom: Rom, done: _Done) -> None:
        self._stage, self._config, self._rom, self._done = stage, config, rom, done
        self._movie, self._archive = out / f"{stage}{SUFFIX}", out / f"{stage}.archive"
        self._random = np.random.default_rng([config.seed, *parse_stage(stage)])
        self._emulator = native.NativeEmulator(rom, config.lanes, num_threads=config.threads)
        self._explorer = Explorer(
            self._emulator,
            stage,
            random=self._random,
            goal=config.goal,
            cells=config.cells,
            selection=config.selection,
            tries=config.tries,
        )
        self._seconds_before = 0.0
        self._best: Outcome | None = None
        if self._archive.exists():
            self._go_on()
        elif self._movie.exists():
            raise AgentsError(f"{self._movie} exists and is not of this search; give another --out")
        self._frames_before = self._explorer.frames
        self._began = time.monotonic()

    def _go_on(self) -> None:
        arrays, facts = load(self._archive, **self._done.identity)
        self._explorer.restore(arrays)
        self._random.bit_generator.state = facts["random"]
        self._seconds_before = facts["seconds"]
        # As it was then: a movie that was written later is found again, on the same way.
        if facts["best"] is not None and self._movie.exists():
            self._best = Outcome(**facts["best"])

    @property
    def _seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    def run(self, show: Show, interrupted: Callable[[], str | None]) -> Found:
        """Search until it is found, the budget is used up, or somebody interrupts."""
        next_save = time.monotonic() + _SECONDS_BETWEEN_SAVES
        next_standing = time.monotonic()
        if not self._archive.exists():
            self._save()  # whatever happens, a movie that is found has its search beside it
        try:
            while (stopped_by := interrupted() or self._over()) is None:
                for clear in self._explorer.advance():
                    self._take(clear)
                if time.monotonic() >= next_standing:
                    show(self._standing())
                    next_standing = time.monotonic() + _SECONDS_BETWEEN_STANDINGS
                if time.monotonic() >= next_save:
                    self._save()
                    next_save = time.monotonic() + _SECONDS_BETWEEN_SAVES
            show(self._standing())
            found = self._found(stopped_by)
            if stopped_by == "solved":
                self._done.write(found)
                self._archive.unlink(missing_ok=True)
            else:
                self._save()
        finally:
            self._emulator.close()
        return found

    def _over(self) -> str | None:
        config = self._config
        if config.goal is Goal.CLEAR and self._best is not None:
            return "solved"
        if config.frames is not None and self._explorer.frames >= config.frames:
            return "frames"
        if config.seconds is not None and self._seconds >= config.seconds:
            return "seconds"
        return None

    def _take(self, clear: Clear) -> None:
        """Keep a clear as the solution if it is better than the one there is, and is proved."""
        best, goal = self._best, self._config.goal
        if best is not None:
            most = clear.score + _MOST_ADDED + _PER_TIME * clear.time
            if not goal.prefers(len(clear.buttons), most, best.frames, best.score):
                return
        movie = record(self._stage, clear.buttons, rom=self._rom, emulator="builtin/native")
        outcome = movie.outcome
        if not outcome.clear or len(movie.buttons) != len(clear.buttons):
            raise AgentsError(
                f"a clear of {self._stage} does not come out again when it is played; report this"
            )
        if best is None or goal.prefers(outcome.frames, outcome.score, best.frames, best.score):
            write_movie(movie, self._movie)
            self._best = outcome

    def _save(self) -> None:
        facts = {
            **self._done.identity,
            "random": self._random.bit_generator.state,
            "seconds": self._seconds,
            "best": None if self._best is None else asdict(self._best),
        }
        save(self._archive, self._explorer.to_arrays(), facts)

    def _standing(self) -> Standing:
        explorer, best = self._explorer, self._best
        passed = max(time.monotonic() - self._began, 1e-9)
        return Standing(
            stage=self._stage,
            cells=len(explorer.archive),
            farthest=explorer.farthest,
            areas=explorer.areas,
            frames=explorer.frames,
            seconds=self._seconds,
            frames_per_second=(explorer.frames - self._frames_before) / passed,
            best="" if best is None else f"cleared in {best.frames:,} frames, score {best.score:,}",
        )

    def _found(self, stopped_by: str) -> Found:
        best = self._best
        return Found(
            stage=self._stage,
            solved=best is not None,
            seconds=round(self._seconds, 2),
            frames_searched=self._explorer.frames,
            cells=len(self._explorer.archive),
            frames=None if best is None else best.frames,
            score=None if best is None else best.score,
            movie=None if best is None else str(self._movie),
            stopped_by=stopped_by,
        )
