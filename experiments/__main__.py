"""The command line ``python -m experiments``, which ``nox -s experiments`` runs."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from mario_agents.errors import AgentsError
from mario_agents.interruption import INTERRUPTED
from mario_agents.quiet_import import import_sb3_quietly
from mario_eval.errors import EvaluationError

from experiments.errors import ExperimentError

_HERE = Path(__file__).parent

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def experiments(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Comparisons of the protocol; else all.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Only these, such as 1,2.")] = "",
    arms: Annotated[str, typer.Option(help="Only these, such as ppo,sac.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Runs at once, each with one thread.")] = 2,
    limit_minutes: Annotated[
        float | None, typer.Option(help="Stop after so many; what runs then goes on the next time.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands of what is to do.")] = False,
    report: Annotated[bool, typer.Option("--report", help="Run nothing, print the tables.")] = False,
    protocol: Annotated[Path, typer.Option(metavar="FILE.yml")] = _HERE / "protocol.yml",
    results: Annotated[Path, typer.Option(metavar="DIR")] = _HERE / "results",
    runs: Annotated[Path, typer.Option(metavar="DIR")] = Path("runs/experiments"),
) -> None:
    """Run what is not yet done of the protocol's comparisons, and print their tables.

    Every cell (comparison, arm, seed) is one `mario-agents train` and one `mario-agents evaluate`. What is
    finished is kept in the results and never run again; Ctrl-C stops, and the same command goes on.

    Example: nox -s experiments -- pendulum --limit-minutes 30
    """
    import_sb3_quietly()
    from experiments.lock import locked
    from experiments.protocol import cells_of, groups_of, read_protocol
    from experiments.report import tables
    from experiments.results import read_results
    from experiments.running import Runner
    from experiments.stages import stages_table

    shown = _listed(arms)
    comparisons = read_protocol(protocol)
    cells = cells_of(comparisons, names or (), _seeds(seeds), shown)
    asked = list(dict.fromkeys(cell.name for cell in cells))
    found = {name: read_results(results, name) for name in asked}
    failed: list[str] = []
    if not report:
        # All are settled before the first is run, and what was run before is of the same protocol.
        for cell in cells:
            cell.config()
        to_do = [cell for cell in cells if not found[cell.name].has(cell)]
        if dry_run:
            for cell in to_do:
                cell.write_teaching(runs)  # so that the commands can be typed
                print(shlex.join(cell.train_command(runs)))
                print(shlex.join(cell.evaluate_command(runs)))
            return
        with locked(runs) as held:
            runner = Runner(runs, found, held, lambda line: print(line, file=sys.stderr, flush=True))
            try:
                failed = runner.run(to_do, jobs, None if limit_minutes is None else limit_minutes * 60)
            except KeyboardInterrupt:
                print("experiments: stopped; the same command goes on", file=sys.stderr)
                raise typer.Exit(INTERRUPTED) from None
    told = [name for name in asked if any(not shown or arm in shown for arm, _ in found[name].lines)]
    for name in told:
        print(tables(name, comparisons[name], found[name], shown))
    for group, members in groups_of({name: comparisons[name] for name in told}).items():
        if len(members) > 1:
            print(stages_table(group, [(comparisons[name], found[name]) for name in members]))
    if failed:
        raise ExperimentError(f"failed: {', '.join(failed)}; the same command tries them again")


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _seeds(text: str) -> list[int]:
    try:
        return [int(one) for one in _listed(text)]
    except ValueError:
        raise ExperimentError(f"--seeds takes whole numbers, such as 1,2, not {text!r}") from None


if __name__ == "__main__":
    try:
        app(prog_name="experiments")
    except (ExperimentError, AgentsError, EvaluationError, OSError) as error:
        print(f"experiments: {error}", file=sys.stderr)
        raise SystemExit(1) from None
