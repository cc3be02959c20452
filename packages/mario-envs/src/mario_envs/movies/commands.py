"""The command line: ``mario-envs movie play | verify | score | holds | video | export | import``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mario_envs.game.roms import Rom
    from mario_envs.movies.movie import Movie

app = typer.Typer(
    help="Movies: the buttons of every frame from a start that can be made anew. "
    "Try: mario-envs movie verify FILE, then mario-envs movie play FILE.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A movie, such as 1-1.movie.")]
RomPath = Annotated[
    Path | None, typer.Option("--rom", metavar="PATH", help="A ROM of your own; else the bundled one.")
]
EmulatorKey = Annotated[
    str | None, typer.Option("--emulator", metavar="KEY", help="native or nes-py; native if not given.")
]


def _rom(path: Path | None) -> Rom:
    from mario_envs.game.roms import load_rom

    return load_rom(path)


def _summary(movie: Movie) -> str:
    outcome = movie.outcome
    end = "clear" if outcome.clear else "dead" if outcome.dead else "not cleared"
    return f"from {movie.start}: {outcome.frames:,} frames, score {outcome.score:,}, {end}"


@app.command()
def play(file: File, rom: RomPath = None, emulator: EmulatorKey = None) -> None:
    """Watch a movie in a window, with its buttons below. Escape ends it."""
    from mario_envs.movies.file import read_movie
    from mario_envs.movies.replay import replay
    from mario_envs.rendering import Window

    movie, checked = read_movie(file), _rom(rom)
    window = Window()
    try:
        replay(
            movie,
            rom=checked,
            emulator=emulator,
            watch=lambda console, buttons: window.show(console.screen(0), buttons),
        )
    finally:
        window.close()
    typer.echo(f"{file}: {_summary(movie)}")


@app.command()
def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Movies.")],
    rom: RomPath = None,
    emulator: EmulatorKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Play movies from their starts, and see whether frames, score, end and memory are what they say.

    Exits with 1 if any does not. nes-py counts the cycles of a frame otherwise than the game's console: what
    is recorded on one emulator need not come out on the other.
    """
    from mario_envs.movies.file import read_movie
    from mario_envs.movies.replay import differences, replay

    checked, rows = _rom(rom), []
    for file in files:
        movie = read_movie(file)
        wrong = differences(movie, replay(movie, rom=checked, emulator=emulator))
        rows.append(
            {
                "file": str(file),
                "start": movie.start,
                **asdict(movie.outcome),
                "ok": not wrong,
                "wrong": wrong,
            }
        )
        if not as_json:
            typer.echo(f"{file}: " + (f"NOT so: {'; '.join(wrong)}" if wrong else f"ok, {_summary(movie)}"))
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    if not all(row["ok"] for row in rows):
        raise typer.Exit(1)


@app.command()
def score(
    file: File,
    rom: RomPath = None,
    emulator: EmulatorKey = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show where a movie's points come from: frame, map, Mario's place in it, and how many."""
    from mario_envs.movies.file import read_movie
    from mario_envs.movies.gains import gains_of

    movie = read_movie(file)
    gains = gains_of(movie, rom=_rom(rom), emulator=emulator)
    if as_json:
        typer.echo(json.dumps({"start": movie.start, "gains": [asdict(gain) for gain in gains]}, indent=2))
        return
    typer.echo(f"{file}: {_summary(movie)}")
    typer.echo(f"{'frame':>6} {'area':>5} {'x px':>6} {'y px':>5} {'points':>7}")
    for gain in gains:
        counted = "  counted after the end" if gain.frame == movie.outcome.frames else ""
        typer.echo(f"{gain.frame:>6} {gain.area:>5} {gain.x:>6} {gain.y:>5} {gain.points:>7,}{counted}")


@app.command()
def holds(
    file: File,
    frames_per_unit: Annotated[float, typer.Option(help="Frames that a value of 1 means.")] = 120,
    min_frames: Annotated[int, typer.Option(min=1, help="Least number of frames in a step.")] = 1,
    fresh_press: Annotated[
        bool, typer.Option("--fresh-press", help="A and B come up before each new hold.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, for programs, with the actions.")
    ] = False,
) -> None:
    """Show a movie as decisions: from which frame, for how many, and how long each button is still held.

    They are actions of an environment with ContinuousFrames that has the same options, and play the movie
    frame for frame.
    """
    from mario_envs.actions.continuous_frames import ContinuousFrames
    from mario_envs.buttons import BUTTON_NAMES
    from mario_envs.movies.file import read_movie
    from mario_envs.movies.holds import holds_of

    movie = read_movie(file)
    action = ContinuousFrames(frames_per_unit=frames_per_unit, min_frames=min_frames, fresh_press=fresh_press)
    found = holds_of(movie, action, str(file))
    rows: list[dict[str, Any]] = [
        {
            "frame": int(frame),
            "frames": int(frames),
            "holds": {name: int(hold) for name, hold in zip(BUTTON_NAMES, row, strict=True) if hold},
            "action": values.tolist(),
        }
        for frame, frames, row, values in zip(
            found.first_frames, found.frames, found.holds, found.actions, strict=True
        )
    ]
    if as_json:
        typer.echo(json.dumps({"start": movie.start, "action": asdict(action), "decisions": rows}, indent=2))
        return
    typer.echo(f"{file}: {len(rows):,} decisions in {len(movie.buttons):,} frames, from {movie.start}")
    for row in rows:
        held = "  ".join(f"{name} {frames}" for name, frames in row["holds"].items())
        typer.echo(f"{row['frame']:>6} {row['frames']:>4}  {held}".rstrip())


@app.command()
def video(
    file: File,
    out: Annotated[Path, typer.Argument(metavar="OUT.mp4", help="The video to write.")],
    rom: RomPath = None,
    emulator: EmulatorKey = None,
) -> None:
    """Write a movie as a video, every frame of it. Needs PyAV."""
    from mario_envs.movies.file import read_movie
    from mario_envs.movies.video import write_video

    write_video(read_movie(file), out, rom=_rom(rom), emulator=emulator)
    typer.echo(f"video: {out}")


@app.command("export")
def export_fm2(
    file: File,
    out: Annotated[Path, typer.Argument(metavar="OUT.fm2", help="The FM2 movie to write.")],
    rom: RomPath = None,
) -> None:
    """Write a movie as FM2, the format of FCEUX.

    FCEUX plays from power-on. A movie that starts at a stage keeps that in a comment, for import.
    """
    from mario_envs.movies.atomic import write_atomically
    from mario_envs.movies.file import read_movie
    from mario_envs.movies.fm2 import to_fm2
    from mario_envs.movies.movie import POWER_ON

    movie = read_movie(file)
    write_atomically(out, to_fm2(movie, _rom(rom)).encode())
    typer.echo(f"FM2: {out}")
    if movie.start != POWER_ON:
        typer.echo(
            f"mario-envs: it starts at stage {movie.start}, which FCEUX cannot do",
            err=True,
        )


@app.command("import")
def import_fm2(
    file: Annotated[Path, typer.Argument(metavar="FILE.fm2", help="An FM2 movie.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.movie", help="The movie to write.")],
    rom: RomPath = None,
    emulator: EmulatorKey = None,
) -> None:
    """Play an FM2 movie with the ROM that it is for, and keep it as a movie of ours.

    Those of the World revision need a ROM of your own (--rom); the bundled one is European.
    """
    from mario_envs.movies.file import write_movie
    from mario_envs.movies.fm2 import from_fm2
    from mario_envs.movies.movie import MovieError
    from mario_envs.movies.replay import record

    try:
        text = file.read_text("utf-8-sig")
    except OSError as error:
        raise MovieError(f"cannot read the movie {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise MovieError(f"{file} is not an FM2 movie of text: {file.name} has other bytes in it") from None
    checked = _rom(rom)
    start, buttons = from_fm2(text, checked, str(file))
    movie = record(start, buttons, rom=checked, emulator=emulator)
    write_movie(movie, out)
    typer.echo(f"{out}: {_summary(movie)}")
