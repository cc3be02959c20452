"""``mario-agents search``: stage after stage, and a table at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mario_envs.emulators.protocol import EmulatorError

from mario_agents.errors import AgentsError
from mario_agents.interruption import INTERRUPTED, Interruption
from mario_agents.search.button_runs import RandomRuns
from mario_agents.search.decisions import RandomDecisions, read_action
from mario_agents.search.goals import Goal, find_goal
from mario_agents.search.progress import showing
from mario_agents.search.stage import Found, SearchConfig, parse_stages, search_stage
from mario_agents.search.table import aligned

_MINUTES = 5.0


def search(
    names: Sequence[str],
    *,
    goal: str,
    action: str | None,
    minutes: float | None,
    frames: int | None,
    seed: int,
    lanes: int,
    threads: int,
    rom: Path | None,
    out: Path,
    as_json: bool,
) -> int:
    """Search stages one after the other and print what was found.

    Args:
        names: of stages, or "all".
        goal: a :class:`~mario_agents.search.goals.Goal`.
        action: of an environment that shall play the movies, in YAML; None presses what it likes.
        minutes: for each stage; 5 if neither this nor ``frames`` is given.
        frames: for each stage.
        seed: of everything that is drawn.
        lanes: consoles side by side.
        threads: processor cores; 0 is all.
        rom: a ROM of the user's own.
        out: folder for the movies.
        as_json: print JSON in place of the table.

    Returns:
        Exit status: 0 if all are solved.

    Raises:
        AgentsError: anything that the user can put right.
    """
    if minutes is None and frames is None:
        minutes = _MINUTES
    config = SearchConfig(
        goal=find_goal(Goal, goal),
        seed=seed,
        frames=frames,
        seconds=None if minutes is None else 60 * minutes,
        lanes=lanes,
        threads=threads,
        rom=rom,
        tries=RandomRuns() if action is None else RandomDecisions(read_action(action)),
    )
    results: list[Found] = []
    try:
        with Interruption() as interruption, showing() as show:
            for stage in parse_stages(names):
                found = search_stage(stage, config, out, show=show, interrupted=lambda: interruption.reason)
                results.append(found)
                print(_line(found), file=sys.stderr, flush=True)
                if interruption.reason is not None:
                    break
    except (ValueError, EmulatorError) as error:
        raise AgentsError(str(error)) from error
    print(json.dumps([asdict(found) for found in results], indent=2) if as_json else _table(results))
    if interruption.reason is not None:
        print(f"stopped by {interruption.reason}; to go on, give the same command again", file=sys.stderr)
        return INTERRUPTED
    unsolved = [found.stage for found in results if not found.solved]
    if unsolved:
        print(
            f"not solved within the budget: {', '.join(unsolved)}; to go on, give a greater one",
            file=sys.stderr,
        )
    return 1 if unsolved else 0


def _line(found: Found) -> str:
    if not found.solved:
        return f"{found.stage}: not solved after {found.frames_searched:,} frames, {found.seconds:.1f} s"
    return f"{found.stage}: {found.frames:,} frames, score {found.score:,}, after {found.seconds:.1f} s"


def _table(results: Sequence[Found]) -> str:
    rows = [("stage", "solved", "seconds", "frames searched", "cells", "solution frames", "score")]
    for found in results:
        solution = ("-", "-") if found.frames is None else (f"{found.frames:,}", f"{found.score:,}")
        searched = (f"{found.seconds:.1f}", f"{found.frames_searched:,}", f"{found.cells:,}")
        rows.append((found.stage, "yes" if found.solved else "no", *searched, *solution))
    return aligned(rows)
