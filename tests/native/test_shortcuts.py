"""Reading ahead and skipping idle loops changes no result, in the game and in programs made to be awkward."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from mario_envs.buttons import Button, ButtonPlan
from mario_envs.emulators.native import NativeEmulator
from mario_envs.game.roms import Rom

from .cynes_console import TwoConsoles, random_play

MakeEmulator = Callable[..., NativeEmulator]


def assert_same(fast: NativeEmulator, plain: NativeEmulator, where: str) -> None:
    assert fast.save(0) == plain.save(0), f"saved states differ {where}"


@pytest.mark.parametrize("stage", [(1, 1), (2, 2), (4, 2), (8, 4)], ids=str)
def test_the_game_runs_the_same_with_and_without(
    stage: tuple[int, int], rom: Rom, make_emulator: MakeEmulator
) -> None:
    fast, plain = make_emulator(), make_emulator(skip_idle=False)
    TwoConsoles(rom.path, fast).enter(*stage)
    plain.restore(0, fast.save(0))
    for frame, buttons in enumerate(random_play(np.random.default_rng(5), 600)):
        fast.press(0, buttons)
        plain.press(0, buttons)
        assert_same(fast, plain, f"in frame {frame}")
        if frame % 20 == 0:
            assert np.array_equal(fast.screen(0), plain.screen(0))


def test_booting_is_the_same_with_and_without(make_emulator: MakeEmulator) -> None:
    fast, plain = make_emulator(), make_emulator(skip_idle=False)
    for frame in range(200):
        for emulator in (fast, plain):
            emulator.press(0, Button.START if frame > 100 and frame % 2 else Button(0))
        assert_same(fast, plain, f"in frame {frame}")


WAITS = {
    "for ever": "E610 4C0280",
    "for vertical blank": "2C0220 10FB E610 4C0080",
    "for vertical blank, zero page in the loop": "AD0220 0511 2980 F0F7 E610 4C0080",
    "for a hit that never comes": "AD0220 2940 F0F9 E610 4C0080",
    "for a byte that the NMI changes": "A510 C511 F0FA 8511 E612 4C0080",
    "with a counter": "E611 A511 D0FA E610 4C0080",
    "counting down": "A014 88 D0FD E610 4C0080",
    "filling RAM at steps of four": "A510 A000 990002 C8C8C8C8 D0F7 E610 4C0080",
    "filling RAM at steps of three from an odd place": "A510 A411 99F107 C8C8C8 D0F8 E610 E611 4C0080",
    "filling RAM by one, over its mirrors": "A510 A000 99001F C8 D0FA E610 4C0080",
    "for vertical blank by turns": "AD0220 30FB AD0220 10FB E610 4C0080",
}


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("nmi", [False, True], ids=["no NMI", "NMI"])
@pytest.mark.parametrize("rendering", [0x00, 0x1E])
def test_loops_that_wait_or_fill(
    wait: str, nmi: bool, rendering: int, make_emulator: MakeEmulator, make_rom: Callable[..., bytes]
) -> None:
    # LDA #nmi, STA $2000, LDA #rendering, STA $2001, and the loop, which must begin at its own offset.
    setup = bytes.fromhex(f"A9{0x80 * nmi:02X}8D0020A9{rendering:02X}8D0120")
    loop = bytes.fromhex(WAITS[wait])
    start = 0x8000 + len(setup)
    loop = loop.replace(b"\x4c\x00\x80", b"\x4c" + start.to_bytes(2, "little"))
    loop = loop.replace(b"\x4c\x02\x80", b"\x4c" + (start + 2).to_bytes(2, "little"))
    data = make_rom(setup + loop, nmi=bytes.fromhex("E61040"))
    fast, plain = make_emulator(data=data), make_emulator(data=data, skip_idle=False)
    for frame in range(40):
        fast.press(0, Button(0))
        plain.press(0, Button(0))
        assert_same(fast, plain, f"in frame {frame}")
    assert np.array_equal(fast.screen(0), plain.screen(0))


def random_program(rng: random.Random) -> bytes:
    """Make code that pokes the PPU and the APU at odd times, waits in several ways and never ends."""
    code = bytearray()
    for _ in range(120):
        kind = rng.randrange(9)
        value = rng.randrange(256)
        if kind < 3:
            register = rng.choice(
                [0x2000, 0x2001, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x4015, 0x4017, 0x4003]
            )
            value = value | 0x18 if register == 0x2001 else value
            code += bytes([0xA9, value, 0x8D, register & 0xFF, register >> 8])
        elif kind == 3:
            register = rng.choice([0x2002, 0x2004, 0x2007, 0x4015, 0x4016])
            code += bytes([0xAD, register & 0xFF, register >> 8, 0x95, value])
        elif kind == 4:
            code += bytes([0xA0, rng.randrange(1, 200), 0x88, 0xD0, 0xFD])  # count down
        elif kind == 5:
            code += bytes([0xAD, 0x02, 0x20, 0x10, 0xFB])  # wait for vertical blank
        elif kind == 6:
            code += bytes([0xA9, 0x02, 0x8D, 0x14, 0x40])  # sprite DMA from $0200
        elif kind == 7:
            code += bytes([0xE6, value, 0xA5, value, 0x9D, 0x00, 0x02, 0xE8])
        elif kind == 8 and value & 1:
            steps = rng.randrange(1, 9)
            code += bytes([0x99, value, rng.randrange(0x20)]) + b"\xc8" * steps + bytes([0xD0, 0xFB - steps])
        else:
            code += bytes([rng.choice([0x58, 0x78, 0xEA, 0x18, 0x38, 0xCA, 0xC8, 0x4A]), 0x65, value])
    return bytes(code) + b"\x4c\x00\x80"


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_run_the_same(
    seed: int, make_emulator: MakeEmulator, make_rom: Callable[..., bytes]
) -> None:
    rng = random.Random(seed)
    data = make_rom(
        random_program(rng),
        nmi=bytes.fromhex("48E6F0AD0220 85F1 68 40"),
        patterns=rng.randbytes(0x2000) if seed % 3 else None,
        vertical=bool(seed & 1),
    )
    fast, plain = make_emulator(data=data), make_emulator(data=data, skip_idle=False)
    drawn = make_emulator(data=data)
    keep, pictures = np.zeros((1, 1), np.int32), np.empty((1, 1, 240, 256), np.uint8)
    for frame in range(60):
        fast.press(0, Button(0))
        plain.press(0, Button(0))
        drawn.run(np.zeros(1, np.intp), ButtonPlan.steady(Button(0), 1), keep=keep, pictures=pictures)
        assert_same(fast, plain, f"in frame {frame}")
        assert_same(drawn, plain, f"in frame {frame}, drawn")
    assert np.array_equal(fast.screen(0), plain.screen(0))
