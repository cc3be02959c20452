"""FCEUX's text movies (FM2): written from ours, and read into ours.

Format: https://fceux.com/web/FM2.html. A frame is ``|commands|RLDUTSBA|second controller||``; a letter, or
anything but a dot or a space, is a button that is down.

FCEUX takes longer to its first vertical blank after power-on than our machine: its frame ``k + 2`` is our
frame ``k``, as FCEUX 2.6.5 shows (tests/envs/fceux). So two frames are added on the way out and left out on
the way in.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid

from mario_envs.buttons import Button
from mario_envs.game.roms import Rom
from mario_envs.game.stages import STAGES
from mario_envs.movies.movie import POWER_ON, Movie, MovieError

_HEADER_SIZE = 16  # of an iNES file; FCEUX's checksum leaves it out
_LETTERS = "RLDUTSBA"
_BITS = (
    Button.RIGHT, Button.LEFT, Button.DOWN, Button.UP, Button.START, Button.SELECT, Button.B, Button.A,
)  # fmt: skip
_RECORD = re.compile(r"\|(\d*)\|([^|]{8})\|[^|]*\|[^|]*\|\Z")
_RESET, _POWER = 1, 2
#: What FCEUX plays before our first frame.
_BEFORE = ["|0|........|||"] * 2

#: How an exported movie says that it begins at a stage; FCEUX shows comments and does nothing with them.
_STAGE = re.compile(r"mario-envs starts at stage (\S+)\Z")

#: MD5 of the ROM without its iNES header, and the revision it is.
_REVISIONS = {
    "8e3630186e35d477231bf8fd50e54cdd": "World",
    "ba39dde63ab209b1bc751e0535e72b18": "Europe",
}


def _md5(rom: Rom) -> str:
    return hashlib.md5(rom.data[_HEADER_SIZE:], usedforsecurity=False).hexdigest()


def to_fm2(movie: Movie, rom: Rom) -> str:
    """Write a movie as FM2.

    FCEUX plays every movie from power-on. One that starts at a stage says so in a comment, which
    :func:`from_fm2` reads; FCEUX itself shows the title with those buttons.

    Args:
        movie: which.
        rom: the one that it was recorded with.

    Raises:
        MovieError: it was recorded with another ROM.
    """
    movie.check_rom(rom)
    digest = bytes.fromhex(_md5(rom))
    lines = [
        "version 3",
        "emuVersion 22020",
        "rerecordCount 0",
        "palFlag 0",
        f"romFilename {rom.path.stem}",
        f"romChecksum base64:{base64.b64encode(digest).decode()}",
        f"guid {str(uuid.UUID(bytes=hashlib.sha256(movie.buttons).digest()[:16])).upper()}",
        *("fourscore 0", "microphone 0", "port0 1", "port1 0", "port2 0", "FDS 0", "NewPPU 0"),
    ]
    if movie.start != POWER_ON:
        lines.append(f"comment mario-envs starts at stage {movie.start}")
    lines += _BEFORE
    lines += [f"|0|{_letters(buttons)}|||" for buttons in movie.buttons]
    return "\n".join(lines) + "\n"


def _letters(buttons: int) -> str:
    return "".join(letter if buttons & bit else "." for letter, bit in zip(_LETTERS, _BITS, strict=True))


def from_fm2(text: str, rom: Rom, name: str = "the movie") -> tuple[str, bytes]:
    """Read an FM2 movie.

    Args:
        text: of the file.
        rom: the ROM at hand.
        name: what messages call the movie.

    Returns:
        The start and the buttons, for :func:`mario_envs.movies.replay.record`.

    Raises:
        MovieError: it is no FM2 movie, is for another ROM, or has something in it that cannot be played:
            binary frames, a saved state, PAL timing, several players, resets. Says which.
    """
    header, comments, records = _split(text, name)
    for key, allowed in {
        "version": "3", "binary": "0", "palFlag": "0", "fourscore": "0", "FDS": "0", "port0": "1",
    }.items():  # fmt: skip
        if header.get(key, allowed) != allowed:
            raise MovieError(f"{name} cannot be played here: it has {key} {header[key]}, not {allowed}")
    if "savestate" in header:
        raise MovieError(f"{name} cannot be played here: it starts from a saved state of FCEUX's")
    _check_rom(header.get("romChecksum", ""), rom, name)
    buttons = bytearray()
    for number, record in enumerate(records):
        match = _RECORD.match(record)
        if match is None:
            raise MovieError(f"{name} is damaged: its frame {number} is {record!r}")
        command = int(match[1] or 0)
        if command & ~(_RESET | _POWER) or (command and number):
            raise MovieError(f"{name} cannot be played here: it resets or changes disks in frame {number}")
        down = [bit for letter, bit in zip(match[2], _BITS, strict=True) if letter not in ". "]
        buttons.append(sum(int(bit) for bit in down))
    if len(buttons) <= len(_BEFORE):
        raise MovieError(f"{name} has no frames to play")
    starts = [match[1] for comment in comments if (match := _STAGE.match(comment))]
    start = starts[0] if starts else POWER_ON
    if start not in (POWER_ON, *STAGES):
        raise MovieError(f"{name} starts at {start!r}, which is no stage")
    return start, bytes(buttons[len(_BEFORE) :])


def _split(text: str, name: str) -> tuple[dict[str, str], list[str], list[str]]:
    """Return the header, its comments and the lines with frames."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("version "):
        raise MovieError(f"{name} is not an FM2 movie: it does not begin with a version")
    header: dict[str, str] = {}
    comments, records = [], []
    for line in lines:
        if line.startswith("|"):
            records.append(line)
        elif line.startswith("comment "):
            comments.append(line.removeprefix("comment "))
        elif line:
            key, _, value = line.partition(" ")
            header[key] = value
    return header, comments, records


def _check_rom(checksum: str, rom: Rom, name: str) -> None:
    try:
        wanted = base64.b64decode(checksum.removeprefix("base64:"), validate=True).hex()
    except ValueError:
        wanted = ""
    if len(wanted) != 32:
        raise MovieError(f"{name} does not say which ROM it is for: its romChecksum is {checksum!r}")
    if wanted == _md5(rom):
        return
    needed = _REVISIONS.get(wanted)
    if needed is None:
        raise MovieError(f"{name} is for a ROM with MD5 {wanted}, which is no known Super Mario Bros.")
    why = (
        ", not for the European one that is bundled: retuned for 50 Hz, its Mario is faster and would lose "
        "the way"
        if rom.revision == "Europe"
        else f", not {rom.revision}"
    )
    raise MovieError(f"{name} is for the {needed} revision{why}; give a ROM of that revision with --rom")
