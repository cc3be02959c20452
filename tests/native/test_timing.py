"""When things happen, to the CPU cycle, against cynes: small programs look after every possible delay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mario_envs.buttons import Button
from mario_envs.emulators.native import NativeEmulator

from .cynes_console import TwoConsoles

MakeEmulator = Callable[..., NativeEmulator]
MakeRom = Callable[..., bytes]

READ_STATUS = bytes.fromhex("AD0220")
# LDA $2002, AND #$E0, STA $10; the same into $11; INC $12
LOOK_TWICE = bytes.fromhex("AD0220 29E0 8510 AD0220 29E0 8511 E612")
SPRITE_DMA = bytes.fromhex("A9028D1440")
RENDER = bytes.fromhex("A91E8D0120")


def delay(cycles: int) -> bytes:
    """Return code that takes exactly so many cycles, at least 20, and changes Y, A and flags."""
    code = bytearray()
    while cycles > 1400:
        code += bytes([0xA0, 0x00, 0x88, 0xD0, 0xFD])  # LDY #0, DEY, BNE: 2 + 256 * 5 - 1
        cycles -= 1281
    if cycles >= 20:
        rounds = min((cycles - 5) // 5, 255)
        code += bytes([0xA0, rounds, 0x88, 0xD0, 0xFD])
        cycles -= 1 + 5 * rounds
    if cycles % 2:
        code += bytes([0xA5, 0xFF])
        cycles -= 3
    return bytes(code) + b"\xea" * (cycles // 2)


def seen(
    code: bytes, make_emulator: MakeEmulator, make_rom: MakeRom, folder: Path, nmi: bytes = b"\x40"
) -> tuple[list[int], list[int]]:
    """Run code to its end in both machines; return what each has in $10 to $12."""
    code += b"\x4c" + (0x8000 + len(code)).to_bytes(2, "little")
    data = make_rom(code, nmi=nmi, patterns=b"\xff" * 0x2000)
    file = folder / "timing.nes"
    file.write_bytes(data)
    both = TwoConsoles(file, make_emulator(data=data))
    for _ in range(16):
        both.frame(Button(0))
    return both.our_ram()[0x10:0x13].tolist(), both.cynes_ram()[0x10:0x13].tolist()


# Setup code, and the delays after it around the event.
EVENTS = {
    "vertical blank begins": (READ_STATUS, range(27372, 27386)),
    "vertical blank ends": (READ_STATUS, range(29646, 29658)),
    "a second vertical blank": (READ_STATUS + delay(29000) + READ_STATUS * 2, range(28145, 28157)),
    "after sprite DMA from an even cycle": (READ_STATUS + SPRITE_DMA + delay(29000), range(27626, 27644)),
    "after sprite DMA from an odd cycle": (
        b"\xa5\x00" + READ_STATUS + SPRITE_DMA + delay(29000),
        range(27624, 27640),
    ),
    "after a frame that is a dot shorter": (READ_STATUS + delay(29000) + RENDER, range(28138, 28158)),
}


@pytest.mark.parametrize("event", EVENTS)
def test_status_flags_change_in_the_same_cycle(
    event: str, make_emulator: MakeEmulator, make_rom: MakeRom, tmp_path: Path
) -> None:
    setup, delays = EVENTS[event]
    answers = set()
    for cycles in delays:
        ours, theirs = seen(setup + delay(cycles) + LOOK_TWICE, make_emulator, make_rom, tmp_path)
        assert ours == theirs, f"after {cycles} cycles"
        answers.add(tuple(ours))
    assert len(answers) >= 2, "the delays do not span the event"


# Fills sprite memory from page 2: sprite 0 at (100, 30), eleven on line 60; twice waits for vertical blank.
SPRITES = [(30, 1, 0, 100)] + [(60, 1, 0, 10 * i) for i in range(1, 12)]
PREPARE = (
    bytes.fromhex("78D8A2FF9A AD022010FB AD022010FB A200A9FF 9D0002 E8 D0FA")
    + b"".join(
        bytes([0xA9, value, 0x8D, 4 * i + k, 0x02])
        for i, sprite in enumerate(SPRITES)
        for k, value in enumerate(sprite)
    )
    + SPRITE_DMA
    + RENDER
    + bytes.fromhex("A9008D05208D0520 AD022010FB AD022010FB")
)
LINE_ZERO, LINE = 2387, 341 / 3  # cycles from vertical blank on, and for each line


@pytest.mark.parametrize(("event", "line"), [("sprite 0 hit", 31), ("sprite overflow", 60)])
def test_sprite_flags_change_in_the_same_cycle(
    event: str, line: int, make_emulator: MakeEmulator, make_rom: MakeRom, tmp_path: Path
) -> None:
    start = LINE_ZERO + round(line * LINE)
    answers = set()
    for cycles in range(start - 14, start + 60, 1 if event == "sprite 0 hit" else 2):
        ours, theirs = seen(PREPARE + delay(cycles) + LOOK_TWICE, make_emulator, make_rom, tmp_path)
        assert ours == theirs, f"after {cycles} cycles"
        answers.add(tuple(ours))
    assert len(answers) >= 2, "the delays do not span the event"


# Where the NMI came in: the return address into $10 and $11.
NMI_NOTES = bytes.fromhex("BA BD0201 8510 BD0301 8511 E612 A9008D0020 40")


@pytest.mark.parametrize("late", [False, True], ids=["enabled before", "enabled in vertical blank"])
def test_the_nmi_comes_between_the_same_instructions(
    late: bool, make_emulator: MakeEmulator, make_rom: MakeRom, tmp_path: Path
) -> None:
    enable, various = bytes.fromhex("A9808D0020"), bytes.fromhex("EA A500 EA AD0003 EA EE0003") * 3
    for cycles in range(24, 48) if late else range(27340, 27385):
        if late:
            code = READ_STATUS + delay(27500) + delay(cycles) + enable + various
        else:
            code = READ_STATUS + enable + delay(cycles) + various
        ours, theirs = seen(code, make_emulator, make_rom, tmp_path, nmi=NMI_NOTES)
        assert ours == theirs, f"after {cycles} cycles"
        assert ours[2] == 1
