"""ROMs for the tests: the bundled one as a file, and small programs of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from mario_envs.emulators.native import NativeEmulator, available
from mario_envs.game.roms import Rom, load_rom

PROGRAM_START = 0x8000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if available():
        return
    for item in items:
        if "tests/native" in item.path.as_posix():
            item.add_marker(pytest.mark.skip(reason="the C++ extension is not built"))


@pytest.fixture(scope="session")
def rom() -> Rom:
    return load_rom()


@pytest.fixture
def make_emulator(rom: Rom) -> Iterator[Callable[..., NativeEmulator]]:
    made: list[NativeEmulator] = []

    def make(num_lanes: int = 1, data: bytes | None = None, **options: object) -> NativeEmulator:
        made.append(NativeEmulator(data or rom, num_lanes, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for emulator in made:
        emulator.close()


@pytest.fixture(scope="session")
def make_rom() -> Callable[..., bytes]:
    """Return a function that wraps code (from $8000 on) and NMI code (from $9000 on) in an iNES file."""

    def make(
        code: bytes, nmi: bytes = b"\x40", patterns: bytes | None = bytes(0x2000), *, vertical: bool = False
    ) -> bytes:
        program = bytearray(b"\xea" * 0x8000)
        program[: len(code)] = code
        program[0x1000 : 0x1000 + len(nmi)] = nmi
        program[0x7FFA:] = (0x9000).to_bytes(2, "little") + PROGRAM_START.to_bytes(2, "little") + b"\x00\x90"
        header = b"NES\x1a" + bytes([2, 0 if patterns is None else 1, int(vertical), 0]) + bytes(8)
        return header + bytes(program) + (patterns or b"")

    return make
