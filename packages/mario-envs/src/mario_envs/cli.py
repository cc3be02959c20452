"""The command line: ``mario-envs list | plugins | play | movie | bench``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from mario_envs.movies import commands
from mario_envs.plugins.errors import unknown

app = typer.Typer(
    help="Super Mario Bros. as Gymnasium environments. "
    "Try: mario-envs list, then mario-envs play MarioScore-1-1-ContinuousFrames-v0.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(commands.app, name="movie")

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command("list")
def list_ids(as_json: Json = False) -> None:
    """List the environment IDs."""
    from mario_envs.registration import env_ids

    typer.echo(json.dumps(env_ids(), indent=2) if as_json else "\n".join(env_ids()))


@app.command()
def plugins(
    as_json: Json = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Also try each plugin, and exit with 1 if any is broken.")
    ] = False,
) -> None:
    """List every reward, action, observation and emulator: key, kind, distribution, version, state."""
    from mario_envs.plugins.report import report

    rows = report(try_out=strict)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        widths = {
            name: max(len(row[name]) for row in rows) for name in ("key", "kind", "distribution", "version")
        }
        for row in rows:
            typer.echo("  ".join([*(row[name].ljust(width) for name, width in widths.items()), row["state"]]))
    if strict and any(row["state"] != "ok" for row in rows):
        raise typer.Exit(1)


@app.command()
def play(
    env_id: Annotated[str, typer.Argument(help="An ID from: mario-envs list")],
    seed: Annotated[int, typer.Option(help="Seed of the first episode.")] = 0,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes to watch.")] = 1,
) -> None:
    """Watch random actions in a window; the held buttons are shown. Escape ends it."""
    import gymnasium

    env = gymnasium.make(_known(env_id), render_mode="human")
    env.action_space.seed(seed)
    try:
        for episode in range(episodes):
            env.reset(seed=seed + episode)
            over = False
            while not over:
                _, _, terminated, truncated, info = env.step(env.action_space.sample())
                over = terminated or truncated
            typer.echo(f"episode {episode}: score {info['score']}, distance {info['distance']} px")
    finally:
        env.close()


@app.command()
def bench(
    lanes: Annotated[int, typer.Option(min=1, help="Lanes of the batch.")] = 32,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of each measurement.")] = 3.0,
    as_json: Json = False,
) -> None:
    """Measure how fast the emulators and the environments run on this machine."""
    from mario_envs.bench import measure

    rows = measure(lanes, seconds)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        for row in rows:
            typer.echo(f"{row.measure:26}  {row.subject:8}  {row.value:12,.1f} {row.unit}")


def _known(env_id: str) -> str:
    from mario_envs.registration import env_ids

    if env_id not in env_ids():
        raise unknown("environment ID", env_id, env_ids())
    return env_id


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; whatever is wrong with the input ends in one line and exit status 1."""
    try:
        return app(arguments)
    except (ValueError, RuntimeError, OSError) as error:
        typer.echo(f"mario-envs: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
