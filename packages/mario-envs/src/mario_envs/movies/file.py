"""The movie file: a line of JSON, a line for each run of equal buttons, and a checksum; plain text.

For example (the header is one line)::

    {"format": "mario-movie", "version": 1, "start": "1-1", "frames": 60, …}
    1
    38 right B
    21 right A B
    sha256 9f…
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mario_envs.buttons import Button
from mario_envs.game.stages import STAGES
from mario_envs.movies.atomic import write_atomically
from mario_envs.movies.movie import POWER_ON, Movie, MovieError, Outcome, runs

#: Of movie files, as people write them.
SUFFIX = ".movie"

_FORMAT, _VERSION = "mario-movie", 1
_BEGINNING = f'{{"format": "{_FORMAT}", "version": '.encode()
_CHECKSUM = re.compile(rb"sha256 ([0-9a-f]{64})\n\Z")
_NAMES = {
    "up": Button.UP, "down": Button.DOWN, "left": Button.LEFT, "right": Button.RIGHT,
    "A": Button.A, "B": Button.B, "select": Button.SELECT, "start": Button.START,
}  # fmt: skip
# More than the game's clock allows in any stage, and an hour of a whole game: what is longer is no movie.
_MOST_FRAMES = 250_000

_FIELDS = {
    "start": str, "frames": int, "score": int, "clear": bool, "dead": bool, "ram_sha256": str,
    "rom_sha256": str, "rom_revision": str, "emulator": str, "mario_envs": str,
}  # fmt: skip


def to_bytes(movie: Movie) -> bytes:
    """Return the file's content.

    Raises:
        MovieError: it has no frame, or more than a file may have.
    """
    if not 1 <= len(movie.buttons) <= _MOST_FRAMES:
        raise MovieError(f"a movie has 1 to {_MOST_FRAMES:,} frames, not {len(movie.buttons):,}")
    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "start": movie.start,
        **asdict(movie.outcome),
        "rom_sha256": movie.rom_sha256,
        "rom_revision": movie.rom_revision,
        "emulator": movie.emulator,
        "mario_envs": movie.version,
    }
    lines = [json.dumps(header)]
    for frames, buttons in runs(movie.buttons):
        lines.append(" ".join([str(frames), *(name for name, bit in _NAMES.items() if buttons & bit)]))
    content = "".join(f"{line}\n" for line in lines).encode()
    return content + f"sha256 {hashlib.sha256(content).hexdigest()}\n".encode()


def from_bytes(content: bytes, name: str = "the movie") -> Movie:
    """Return the movie that :func:`to_bytes` was given.

    Args:
        content: of the file.
        name: what messages call it.

    Raises:
        MovieError: it is no movie, is damaged or truncated, or of a format version that is not known.
    """
    if not content:
        raise MovieError(f"{name} is empty")
    if not content.startswith(_BEGINNING):
        raise MovieError(f"{name} is not a movie of mario-envs: it does not begin with {_BEGINNING.decode()}")
    checksum = _CHECKSUM.search(content)
    if checksum is None:
        raise MovieError(f"{name} is damaged or truncated: it does not end with its checksum")
    body = content[: checksum.start()]
    if hashlib.sha256(body).hexdigest().encode() != checksum[1]:
        raise MovieError(f"{name} is damaged: its checksum is another")
    try:
        first, *lines = body.decode().splitlines()
        header = json.loads(first)
        _check_header(header)
        buttons = _buttons(lines)
    except (ValueError, KeyError) as error:
        raise MovieError(f"{name} cannot be used: {error}") from None
    outcome = Outcome(**{key: header[key] for key in ("frames", "score", "clear", "dead", "ram_sha256")})
    if len(buttons) != outcome.frames:
        raise MovieError(f"{name} has {len(buttons)} frames where its header says {outcome.frames}")
    return Movie(
        start=header["start"],
        buttons=buttons,
        outcome=outcome,
        rom_sha256=header["rom_sha256"],
        rom_revision=header["rom_revision"],
        emulator=header["emulator"],
        version=header["mario_envs"],
    )


def _check_header(header: dict[str, Any]) -> None:
    if header["version"] != _VERSION:
        raise ValueError(f"it has format version {header['version']}, this mario-envs reads {_VERSION}")
    for key, kind in _FIELDS.items():
        if type(header.get(key)) is not kind:
            raise ValueError(
                f"its header's {key} is {header.get(key)!r}, which is not of type {kind.__name__}"
            )
    if header["start"] not in (POWER_ON, *STAGES):
        raise ValueError(f"it starts at {header['start']!r}, which is no stage and not {POWER_ON!r}")


def _buttons(lines: list[str]) -> bytes:
    buttons = bytearray()
    for line in lines:
        count, *names = line.split(" ")
        if not re.fullmatch("[1-9][0-9]{0,5}", count) or len(buttons) + int(count) > _MOST_FRAMES:
            raise ValueError(f"the line {line!r} does not begin with a number of frames")
        if any(name not in _NAMES for name in names):
            raise ValueError(f"the line {line!r} names a button that is not on the controller")
        buttons += bytes([sum({int(_NAMES[name]) for name in names})]) * int(count)
    return bytes(buttons)


def write_movie(movie: Movie, path: Path) -> None:
    """Write a movie file; it is whole or absent.

    Raises:
        MovieError: it has no frame, or more than a file may have.
        OSError: it cannot be written.
    """
    write_atomically(path, to_bytes(movie))


def read_movie(path: Path) -> Movie:
    """Read a movie file.

    Raises:
        MovieError: the file cannot be read, or is no movie, damaged or truncated; names it and says why.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MovieError(f"cannot read the movie {path}: {error.strerror}") from None
    return from_bytes(content, str(path))
