"""``mario-agents polish``: movie after movie, and a table at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mario_envs.emulators.protocol import EmulatorError
from mario_envs.game.roms import load_rom

from mario_agents.errors import AgentsError
from mario_agents.interruption import INTERRUPTED, Interruption
from mario_agents.search.goals import find_goal
from mario_agents.search.polish.goals import PolishGoal
from mario_agents.search.polish.movie import PolishConfig, Polished, polish_movie, read_clear
from mario_agents.search.progress import showing
from mario_agents.search.table import aligned

_MINUTES = 5.0


def polish(
    movies: Sequence[Path],
    *,
    goal: str,
    minutes: float | None,
    frames: int | None,
    seed: int,
    lanes: int,
    threads: int,
    rom: Path | None,
    out: Path,
    as_json: bool,
) -> int:
    """Polish movies one after the other and print what became of them.

    Args:
        movies: files; all are looked at before the first is polished.
        goal: a :class:`~mario_agents.search.polish.goals.PolishGoal`.
        minutes: for each movie; 5 if neither this nor ``frames`` is given.
        frames: for each movie.
        seed: of everything that is drawn.
        lanes: consoles side by side.
        threads: processor cores; 0 is all.
        rom: a ROM of the user's own.
        out: folder for the polished movies.
        as_json: print JSON in place of the table.

    Returns:
        Exit status: 0, or that of an interrupted program.

    Raises:
        AgentsError: anything that the user can put right.
    """
    if minutes is None and frames is None:
        minutes = _MINUTES
    config = PolishConfig(
        goal=find_goal(PolishGoal, goal),
        seed=seed,
        frames=frames,
        seconds=None if minutes is None else 60 * minutes,
        lanes=lanes,
        threads=threads,
    )
    results: list[Polished] = []
    try:
        checked = load_rom(rom)
        _check_names(movies, out)
        clears = [(path, read_clear(path, checked)) for path in movies]
        with Interruption() as interruption, showing() as show:
            for path, movie in clears:
                polished = polish_movie(
                    path, movie, config, checked, out, show=show, interrupted=lambda: interruption.reason
                )
                results.append(polished)
                print(_line(polished), file=sys.stderr, flush=True)
                if interruption.reason is not None:
                    break
    except (ValueError, EmulatorError) as error:
        raise AgentsError(str(error)) from error
    print(json.dumps([asdict(each) for each in results], indent=2) if as_json else _table(results))
    if interruption.reason is not None:
        print(f"stopped by {interruption.reason}; what was best is saved", file=sys.stderr)
        return INTERRUPTED
    return 0


def _check_names(movies: Sequence[Path], out: Path) -> None:
    """Check that no movie is to be written over another."""
    names: set[str] = set()
    for path in movies:
        if path.name in names:
            raise AgentsError(f"two movies are called {path.name}; polish them with an --out for each")
        if (out / path.name).exists():
            raise AgentsError(f"{out / path.name} exists; give another --out")
        names.add(path.name)


def _line(polished: Polished) -> str:
    edits = f"{polished.tried:,} edits tried, {polished.kept:,} kept"
    return f"{polished.polished}: {edits}, after {polished.seconds:.1f} s"


def _table(results: Sequence[Polished]) -> str:
    rows = [("movie", "frames", "score", "changes/s", "mean hold", "edits tried", "kept", "seconds")]
    for each in results:
        before, after = each.before, each.after
        rows.append(
            (
                Path(each.movie).name,
                f"{before.frames:,} -> {after.frames:,}",
                f"{before.score:,} -> {after.score:,}",
                f"{before.changes_per_second:.2f} -> {after.changes_per_second:.2f}",
                f"{before.mean_hold:.1f} -> {after.mean_hold:.1f}",
                f"{each.tried:,}",
                f"{each.kept:,}",
                f"{each.seconds:.1f}",
            )
        )
    return aligned(rows)
