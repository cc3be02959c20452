"""Finding the ROM and making sure of it before an emulator sees it."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

_HEADER_SIZE = 16
_TRAINER_FLAG = 0x04
_PRG_BANK, _CHR_BANK = 16 * 1024, 8 * 1024

#: SHA-1 of the ROM without its iNES header, and the revision it is.
REVISIONS = {
    "0c4992fc08d2278697339d3b48066e7b5f943598": "Europe",
    "facee9c577a5262dbe33ac4930bb0b58c8c037f7": "World",
}


class RomError(ValueError):
    """A ROM file that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Rom:
    """A ROM file that was checked.

    Attributes:
        path: where it lies.
        data: the whole file with its iNES header.
        sha256: of the whole file.
        revision: "Europe" (bundled with gym-super-mario-bros; retuned for 50 Hz, so Mario is faster),
            "World", or "unknown" where the caller allowed that.
    """

    path: Path
    data: bytes
    sha256: str
    revision: str


def bundled_rom() -> Path:
    """Return the path of the ROM that gym-super-mario-bros bundles, without importing that package.

    Raises:
        RomError: gym-super-mario-bros is not installed or lacks its ROM.
    """
    spec = importlib.util.find_spec("gym_super_mario_bros")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        path = Path(folder) / "_roms" / "super-mario-bros.nes"
        if path.is_file():
            return path
    raise RomError("no ROM found; run: pip install gym-super-mario-bros, or pass rom=PATH of your own ROM")


def load_rom(path: str | PathLike[str] | None = None, *, allow_unknown: bool = False) -> Rom:
    """Read and check a ROM.

    Args:
        path: a file in iNES format; None takes the bundled one.
        allow_unknown: accept a ROM whose hash is not a known revision of Super Mario Bros.

    Raises:
        RomError: the file is missing, empty, truncated, not iNES, of a mapper other than 0, or unknown.
    """
    file = bundled_rom() if path is None else Path(path)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RomError(f"cannot read the ROM {file}: {error.strerror}") from None
    _check_ines(file, data)
    digest = hashlib.sha1(data[_HEADER_SIZE:]).hexdigest()
    revision = REVISIONS.get(digest, "unknown")
    if revision == "unknown" and not allow_unknown:
        raise RomError(
            f"{file} is not a known revision of Super Mario Bros. (SHA-1 without header {digest}); "
            "pass allow_unknown_rom=True to use it all the same"
        )
    return Rom(file, data, hashlib.sha256(data).hexdigest(), revision)


def _check_ines(file: Path, data: bytes) -> None:
    """Refuse what an emulator might crash on. Format: https://www.nesdev.org/wiki/INES."""
    if not data:
        raise RomError(f"the ROM {file} is empty")
    if len(data) < _HEADER_SIZE or data[:4] != b"NES\x1a":
        raise RomError(f"{file} is not an iNES file: it does not begin with 'NES' and 0x1A")
    prg_banks, chr_banks, flags6, flags7 = data[4:8]
    mapper = flags6 >> 4 | flags7 & 0xF0
    if mapper != 0:
        raise RomError(f"the ROM {file} needs mapper {mapper}; Super Mario Bros. has mapper 0")
    if flags6 & _TRAINER_FLAG:
        raise RomError(f"the ROM {file} has a trainer; Super Mario Bros. has none")
    size = _HEADER_SIZE + prg_banks * _PRG_BANK + chr_banks * _CHR_BANK
    if prg_banks == 0 or chr_banks == 0 or len(data) < size:
        raise RomError(f"the ROM {file} is truncated: its header promises {size} bytes, it has {len(data)}")
    if len(data) > size:
        raise RomError(f"the ROM {file} has {len(data) - size} bytes more than its header promises")
