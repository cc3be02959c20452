"""Saved states: the rest of a run after a restore is identical, and damaged ones are refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_envs.buttons import Button
from mario_envs.emulators.native import NativeEmulator
from mario_envs.emulators.protocol import EmulatorError
from mario_envs.game.roms import load_rom

MakeEmulator = Callable[..., NativeEmulator]
ONE = np.zeros(1, np.intp)


def play(emulator: NativeEmulator, seed: int, frames: int) -> list[bytes]:
    rng = np.random.default_rng(seed)
    trace = []
    for _ in range(frames):
        emulator.press(0, Button(int(rng.integers(256))))
        trace.append(emulator.ram(ONE).tobytes())
    return [*trace, emulator.screen(0).tobytes(), emulator.save(0)]


@pytest.mark.parametrize("skip_idle", [True, False])
def test_the_rest_of_a_run_is_the_same_after_a_restore(skip_idle: bool, make_emulator: MakeEmulator) -> None:
    emulator, other = make_emulator(skip_idle=skip_idle), make_emulator()
    for part in range(8):
        play(emulator, part, 37)
        state = emulator.save(0)
        expected = play(emulator, 100 + part, 50)
        emulator.restore(0, state)
        assert emulator.save(0) == state
        assert play(emulator, 100 + part, 50) == expected
        other.restore(0, state)
        assert play(other, 100 + part, 50) == expected


def test_a_state_is_small(make_emulator: MakeEmulator, make_rom: Callable[..., bytes]) -> None:
    with_pattern_ram = make_emulator(data=make_rom(b"\x4c\x00\x80", patterns=None))
    for emulator in (make_emulator(), with_pattern_ram):
        emulator.press(0, Button(0), 3)
        assert len(emulator.save(0)) <= 16 * 1024


def test_pattern_ram_is_part_of_the_state(
    make_emulator: MakeEmulator, make_rom: Callable[..., bytes]
) -> None:
    # LDA #0, STA $2006 twice; then for ever LDA $10, STA $2007, and read $2007 from address 0 into $11.
    code = bytes.fromhex("A5108D0720 A9008D0620 8D0620 AD0720 AD0720 8511 A9008D0620 8D0620 4C0080")
    emulator = make_emulator(data=make_rom(code, patterns=None))
    emulator.poke(0, 0x10, 0x5A)
    emulator.press(0, Button(0), 3)
    state = emulator.save(0)
    assert emulator.ram(ONE)[0, 0x11] == 0x5A
    emulator.poke(0, 0x10, 0x77)
    emulator.press(0, Button(0), 3)
    emulator.restore(0, state)
    assert emulator.save(0) == state


def test_states_of_something_else_are_refused(
    make_emulator: MakeEmulator, make_rom: Callable[..., bytes]
) -> None:
    emulator, other = make_emulator(), make_emulator(data=make_rom(b"\x4c\x00\x80"))
    state = emulator.save(0)
    with pytest.raises(EmulatorError, match="another ROM"):
        other.restore(0, state)
    with pytest.raises(EmulatorError, match="not saved by this emulator"):
        emulator.restore(0, bytes(len(state)))
    with pytest.raises(EmulatorError, match="truncated"):
        emulator.restore(0, b"NES")
    newer = state[:8] + (99).to_bytes(4, "little") + state[12:]
    with pytest.raises(EmulatorError, match="format version 99"):
        emulator.restore(0, newer)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_damage_is_refused_and_changes_nothing(data: st.DataObject) -> None:
    emulator = _running()
    state = emulator.save(0)
    kind = data.draw(st.sampled_from(["flip", "cut", "extend"]))
    if kind == "flip":
        at = data.draw(st.integers(0, len(state) - 1))
        damaged = bytearray(state)
        damaged[at] ^= 1 << data.draw(st.integers(0, 7))
    elif kind == "cut":
        damaged = bytearray(state[: data.draw(st.integers(0, len(state) - 1))])
    else:
        damaged = bytearray(state + data.draw(st.binary(min_size=1, max_size=9)))
    with pytest.raises(EmulatorError, match="cannot restore this state"):
        emulator.restore(0, bytes(damaged))
    assert emulator.save(0) == state


_kept: list[NativeEmulator] = []


def _running() -> NativeEmulator:
    if not _kept:
        _kept.append(NativeEmulator(load_rom()))
        _kept[0].press(0, Button.RIGHT, 50)
    return _kept[0]
