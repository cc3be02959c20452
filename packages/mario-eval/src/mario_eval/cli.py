"""The command line: ``mario-eval run``, ``report``, ``compare``, ``watch``."""

from __future__ import annotations

import json
import math
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from mario_eval.errors import EvaluationError

Target = Annotated[
    list[str] | None,
    typer.Option(
        help="Value of a measure that counts as full success, as `score=20000`; the optimality gap to it is "
        "told. Repeatable."
    ),
]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""Evaluate any policy on any Gymnasium environment.

A first look, with nothing else installed:

    mario-eval run random --env CartPole-v1 --episodes 20 --out demo
    mario-eval report demo -o demo.html
""",
)


@app.command()
def run(
    policy: Annotated[
        str,
        typer.Argument(
            help="`random`, `noop`, `module:callable`, the path of a checkpoint, or `zoo:NAME`.",
            metavar="POLICY",
        ),
    ],
    env: Annotated[
        str, typer.Option("--env", help="Gymnasium ID, or `module:ID` to import its module first.")
    ],
    episodes: Annotated[int, typer.Option(min=1, help="How many episodes to play.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Episode i is seeded from this and i.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder to record in; must not hold a recording yet.")
    ] = None,
    lanes: Annotated[int, typer.Option(min=1, help="Environments side by side.")] = 8,
    processes: Annotated[
        bool,
        typer.Option("--processes", help="A process for each lane, for environments whose steps are slow."),
    ] = False,
    env_option: Annotated[
        list[str] | None,
        typer.Option(
            help="Keyword argument for the environment, as `name=value`, value in JSON or text. Repeatable."
        ),
    ] = None,
    deterministic: Annotated[
        bool,
        typer.Option("--deterministic", help="Take a checkpoint's most likely action instead of a sample."),
    ] = False,
    noop_max: Annotated[
        int, typer.Option(min=0, help="Begin with 0 to N random no-op steps (published: 30).")
    ] = 0,
    sticky: Annotated[
        float, typer.Option(min=0, max=0.999, help="Chance of repeating the last action (published: 0.25).")
    ] = 0.0,
    clear_width: Annotated[
        float | None,
        typer.Option(
            help="Stop early once the clear rate's 95 % interval is narrower than this, such as 0.1."
        ),
    ] = None,
    import_module: Annotated[
        list[str] | None,
        typer.Option("--import", help="Import a module first, for the environments it registers."),
    ] = None,
    sb3_zip: Annotated[
        str | None,
        typer.Option(
            help="POLICY is a Stable-Baselines3 zip of this algorithm, such as PPO. "
            "Loading one runs code in it: only do this with files you trust."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Play episodes, record them, and print the statistics.

    For example:

        mario-eval run random --env CartPole-v1 --episodes 20 --out demo

        mario-eval run my_module:act --env Pendulum-v1 --sticky 0.25 --json

        mario-eval run zoo:1-1-ppo-discrete --env MarioScore-1-1-DiscreteFrames-v0 --noop-max 30
    """
    from importlib import import_module as load_module

    from mario_eval.protocols import Chance
    from mario_eval.runner import evaluate

    sys.path.insert(0, "")  # so that module:callable finds modules in the current folder, as python -m does
    for module in import_module or []:
        try:
            load_module(module)
        except ImportError as error:
            raise EvaluationError(f"--import {module}: {error}") from error
    try:
        console = Console(stderr=True)
        with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
            task = progress.add_task("episodes", total=episodes)
            result = evaluate(
                policy,
                env,
                episodes=episodes,
                seed=seed,
                lanes=lanes,
                processes=processes,
                out=out,
                env_kwargs=_options(env_option or []),
                deterministic=deterministic,
                chance=Chance(noop_max, sticky),
                clear_width=clear_width,
                sb3_algorithm=sb3_zip,
                progress=lambda done, _: progress.update(task, completed=done),
            )
    except KeyboardInterrupt:
        print("mario-eval: interrupted; the episodes recorded so far are whole", file=sys.stderr)
        raise typer.Exit(130) from None
    summary = result.summary()
    if as_json:
        print(json.dumps(summary, indent=2))
        return
    _print_summary(summary)
    if out is not None:
        print(f"recorded in {out}; see it: mario-eval report {shlex.quote(str(out))} -o report.html")


@app.command()
def report(
    folders: Annotated[
        list[Path], typer.Argument(help="Evaluation folders, run folders, monitor files' folders.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The page to write.")] = Path("report.html"),
    replays: Annotated[
        bool,
        typer.Option(
            "--replays/--no-replays",
            help="Replay episodes for videos and maps; this runs the recorded environment.",
        ),
    ] = True,
    baseline: Annotated[
        list[Path] | None,
        typer.Option(
            help="Evaluation folder whose score events count as known; the page tells what else was found."
        ),
    ] = None,
    target: Target = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the path and each summary as JSON.")] = False,
) -> None:
    """Write one self-contained HTML page about one or several folders, and print its path.

    For example:

        mario-eval report runs/first -o first.html

        mario-eval report runs/first --baseline random-play -o first.html
    """
    from mario_eval.report import write_report

    targets = _targets(target)
    page = write_report(folders, out, replays=replays, baselines=baseline or [], targets=targets)
    _tell_page(page, folders, targets, as_json)


@app.command()
def compare(
    folders: Annotated[
        list[str],
        typer.Argument(
            help="Two or more evaluation or run folders; `NAME=DIR` groups the runs of one algorithm."
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="The page to write.")] = Path("compare.html"),
    target: Target = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the path and each summary as JSON.")] = False,
) -> None:
    """Put runs side by side: intervals, performance profiles, who beats whom.

    For example:

        mario-eval compare random-play trained -o compare.html

        mario-eval compare ppo=runs/ppo-1 ppo=runs/ppo-2 dqn=runs/dqn-1 dqn=runs/dqn-2
    """
    from mario_eval.report import write_comparison

    paths, groups = [], []
    for folder in folders:
        name, equals, path = folder.partition("=")
        named = bool(equals) and not Path(folder).exists()
        paths.append(Path(path if named else folder))
        groups.append(name if named else "")
    targets = _targets(target)
    _tell_page(write_comparison(paths, out, groups=groups, targets=targets), paths, targets, as_json)


@app.command()
def watch(
    folder: Annotated[
        Path, typer.Argument(help="A run folder, or an evaluation folder, also while it grows.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8321,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool,
        typer.Option(
            "--allow-remote", help="Permit a --host that other machines can reach. There is no password."
        ),
    ] = False,
    every: Annotated[float, typer.Option(min=1, help="Seconds between looks at the folder.")] = 10.0,
) -> None:
    """Serve the report of a folder while training goes on; the page updates itself. Ctrl-C ends it.

    For example:

        mario-eval watch runs/first
    """
    from mario_eval.watch import serve

    serve(folder, host=host, port=port, allow_remote=allow_remote, every=every, tell=print)


def _tell_page(page: Path, folders: list[Path], targets: dict[str, float], as_json: bool) -> None:
    """Print where a page is, and as JSON what it says."""
    from mario_eval.report.subjects import open_subject

    if not as_json:
        print(page)
        return
    summaries = {str(folder): open_subject(folder, targets=targets).summary or None for folder in folders}
    print(json.dumps({"page": str(page), "summaries": summaries}, indent=2))


def _targets(pairs: list[str] | None) -> dict[str, float]:
    """Read ``measure=number`` pairs."""
    from mario_eval.statistics.summary import MEASURES

    targets = {}
    for pair in pairs or []:
        name, _, value = pair.partition("=")
        if name not in MEASURES:
            raise EvaluationError(f"--target {pair!r}: write MEASURE=NUMBER, one of {', '.join(MEASURES)}")
        try:
            targets[name] = float(value)
        except ValueError as error:
            raise EvaluationError(f"--target {pair!r}: {value!r} is no number") from error
        if not math.isfinite(targets[name]):
            raise EvaluationError(f"--target {pair!r}: a target must be finite")
    return targets


def _options(pairs: list[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs."""
    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise EvaluationError(f"--env-option {pair!r}: write name=value")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def _print_summary(summary: dict[str, Any]) -> None:
    from mario_eval.report.wording import between, number, percent

    print(f"{summary['episodes']} episodes; 95 % intervals in brackets")
    if "clear_rate" in summary:
        rate = summary["clear_rate"]
        print(f"  {'clear rate':10} {percent(rate['value'])} [{between(rate, share=True)}]")
    for name in ("score", "distance", "return", "steps", "frames"):
        if name in summary:
            mean, middle = summary[name]["mean"], summary[name]["iqm"]
            line = f"mean {number(mean['value'])} [{between(mean)}]"
            line += f"  IQM {number(middle['value'])} [{between(middle)}]"
            if "optimality_gap" in summary[name]:
                gap = summary[name]["optimality_gap"]
                line += f"  gap to {number(gap['target'])}: {number(gap['value'])} [{between(gap)}]"
            print(f"  {name:10} {line}")


def main() -> None:
    """Run the command line; errors that a user can mend are one line, exit status 2."""
    try:
        app()
    except EvaluationError as error:
        print(f"mario-eval: {error}", file=sys.stderr)
        sys.exit(2)
