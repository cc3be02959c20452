"""Files that are no cartridge for this machine are refused in one clear line."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mario_envs.buttons import Button
from mario_envs.emulators.native import NativeEmulator
from mario_envs.emulators.protocol import EmulatorError


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rom: b"", "not an iNES file"),
        (lambda rom: b"PK" + rom[2:], "not an iNES file"),
        (lambda rom: rom[:1000], "truncated: its header promises 40976 bytes, it has 1000"),
        (lambda rom: rom[:6] + b"\x10" + rom[7:], "mapper 1 is not supported"),
        (lambda rom: rom[:7] + b"\x40" + rom[8:], "mapper 64 is not supported"),
        (lambda rom: rom[:4] + b"\x03" + rom[5:], "1 or 2 program banks"),
        (lambda rom: rom[:5] + b"\x02" + rom[6:], "0 or 1 pattern banks"),
        (lambda rom: rom[:6] + b"\x08" + rom[7:], "four-screen"),
    ],
)
def test_a_wrong_file_is_refused(
    change: Callable[[bytes], bytes], message: str, make_rom: Callable[..., bytes]
) -> None:
    with pytest.raises(EmulatorError, match=message) as caught:
        NativeEmulator(change(make_rom(b"\x4c\x00\x80")))
    assert "\n" not in str(caught.value)


@given(data=st.binary(max_size=200))
def test_bytes_of_any_kind_are_refused(data: bytes) -> None:
    with pytest.raises(EmulatorError):
        NativeEmulator(b"NES\x1a" + data)


@pytest.mark.parametrize(("lanes", "threads", "message"), [(0, 0, "at least 1 lane"), (1, -1, "negative")])
def test_wrong_numbers_are_refused(
    lanes: int, threads: int, message: str, make_rom: Callable[..., bytes]
) -> None:
    with pytest.raises(EmulatorError, match=message):
        NativeEmulator(make_rom(b"\x4c\x00\x80"), lanes, num_threads=threads)


def test_a_trainer_and_a_16_kib_program_are_understood(make_rom: Callable[..., bytes]) -> None:
    whole = make_rom(b"\xe6\x10\x4c\x02\x80")
    half = whole[16 : 16 + 0x2000] + whole[16 + 0x6000 : 16 + 0x8000]  # vectors at the end
    trained = whole[:4] + b"\x01" + whole[5:6] + b"\x04" + whole[7:16] + bytes(512) + half + bytes(0x2000)
    emulator = NativeEmulator(trained)
    emulator.press(0, Button(0), 2)
    assert emulator.ram(np.zeros(1, np.intp))[0, 0x10] == 1
    emulator.close()
