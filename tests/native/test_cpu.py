"""The 6502 by itself: against py65, against a table of cycles, and the unofficial opcodes against pairs."""

from __future__ import annotations

import random

import pytest
from mario_envs import _native
from py65.devices.mpu6502 import MPU

# Opcode: cycles, and whether crossing a page costs one more (MOS 6502 data sheet). Branches: not taken.
CYCLES = {
    0x00: 7, 0x01: 6, 0x05: 3, 0x06: 5, 0x08: 3, 0x09: 2, 0x0A: 2, 0x0D: 4, 0x0E: 6,
    0x10: 2, 0x11: 5, 0x15: 4, 0x16: 6, 0x18: 2, 0x19: 4, 0x1D: 4, 0x1E: 7,
    0x20: 6, 0x21: 6, 0x24: 3, 0x25: 3, 0x26: 5, 0x28: 4, 0x29: 2, 0x2A: 2, 0x2C: 4, 0x2D: 4, 0x2E: 6,
    0x30: 2, 0x31: 5, 0x35: 4, 0x36: 6, 0x38: 2, 0x39: 4, 0x3D: 4, 0x3E: 7,
    0x40: 6, 0x41: 6, 0x45: 3, 0x46: 5, 0x48: 3, 0x49: 2, 0x4A: 2, 0x4C: 3, 0x4D: 4, 0x4E: 6,
    0x50: 2, 0x51: 5, 0x55: 4, 0x56: 6, 0x58: 2, 0x59: 4, 0x5D: 4, 0x5E: 7,
    0x60: 6, 0x61: 6, 0x65: 3, 0x66: 5, 0x68: 4, 0x69: 2, 0x6A: 2, 0x6C: 5, 0x6D: 4, 0x6E: 6,
    0x70: 2, 0x71: 5, 0x75: 4, 0x76: 6, 0x78: 2, 0x79: 4, 0x7D: 4, 0x7E: 7,
    0x81: 6, 0x84: 3, 0x85: 3, 0x86: 3, 0x88: 2, 0x8A: 2, 0x8C: 4, 0x8D: 4, 0x8E: 4,
    0x90: 2, 0x91: 6, 0x94: 4, 0x95: 4, 0x96: 4, 0x98: 2, 0x99: 5, 0x9A: 2, 0x9D: 5,
    0xA0: 2, 0xA1: 6, 0xA2: 2, 0xA4: 3, 0xA5: 3, 0xA6: 3, 0xA8: 2, 0xA9: 2, 0xAA: 2, 0xAC: 4, 0xAD: 4,
    0xAE: 4,
    0xB0: 2, 0xB1: 5, 0xB4: 4, 0xB5: 4, 0xB6: 4, 0xB8: 2, 0xB9: 4, 0xBA: 2, 0xBC: 4, 0xBD: 4, 0xBE: 4,
    0xC0: 2, 0xC1: 6, 0xC4: 3, 0xC5: 3, 0xC6: 5, 0xC8: 2, 0xC9: 2, 0xCA: 2, 0xCC: 4, 0xCD: 4, 0xCE: 6,
    0xD0: 2, 0xD1: 5, 0xD5: 4, 0xD6: 6, 0xD8: 2, 0xD9: 4, 0xDD: 4, 0xDE: 7,
    0xE0: 2, 0xE1: 6, 0xE4: 3, 0xE5: 3, 0xE6: 5, 0xE8: 2, 0xE9: 2, 0xEA: 2, 0xEC: 4, 0xED: 4, 0xEE: 6,
    0xF0: 2, 0xF1: 5, 0xF5: 4, 0xF6: 6, 0xF8: 2, 0xF9: 4, 0xFD: 4, 0xFE: 7,
}  # fmt: skip
READS_THAT_CROSS = {
    0x11, 0x19, 0x1D, 0x31, 0x39, 0x3D, 0x51, 0x59, 0x5D, 0x71, 0x79, 0x7D,
    0xB1, 0xB9, 0xBC, 0xBD, 0xBE, 0xD1, 0xD9, 0xDD, 0xF1, 0xF9, 0xFD,
}  # fmt: skip
BRANCHES = {0x10, 0x30, 0x50, 0x70, 0x90, 0xB0, 0xD0, 0xF0}
JAMS = {0x02, 0x12, 0x22, 0x32, 0x42, 0x52, 0x62, 0x72, 0x92, 0xB2, 0xD2, 0xF2}
REGISTERS = ("a", "x", "y", "sp", "pc")
NO_DECIMAL = 0xFF & ~0x08  # the NES's 6502 has the flag but not the arithmetic
PY65_MISSES = {0xCE: 3}  # py65 1.2 counts 3 cycles for DEC absolute, which takes 6 by every data sheet
PUSHED_ONLY = 0x30  # B and the unused bit exist only on the stack


def random_pair(rng: random.Random) -> tuple[_native.CpuHarness, MPU]:
    memory = rng.randbytes(0x10000)
    ours, theirs = _native.CpuHarness(), MPU(memory=list(memory))
    ours.load(memory)
    set_registers(rng, ours, theirs)
    return ours, theirs


def set_registers(rng: random.Random, ours: _native.CpuHarness, theirs: MPU) -> None:
    for name in ("a", "x", "y", "sp"):
        value = rng.randrange(256)
        setattr(ours, name, value)
        setattr(theirs, name, value)
    ours.p = theirs.p = rng.randrange(256) & NO_DECIMAL | PUSHED_ONLY
    ours.pc = theirs.pc = rng.randrange(0x0200, 0xFF00)


def step_both(ours: _native.CpuHarness, theirs: MPU) -> None:
    opcode, pc = theirs.memory[theirs.pc], theirs.pc
    before = theirs.processorCycles
    theirs.step()
    cycles = ours.step()
    where = f"opcode {opcode:02X} at {pc:04X}"
    for name in REGISTERS:
        assert getattr(ours, name) == getattr(theirs, name), f"{name} after {where}"
    assert ours.p & ~PUSHED_ONLY == theirs.p & ~PUSHED_ONLY, f"flags after {where}"
    assert cycles == theirs.processorCycles - before + PY65_MISSES.get(opcode, 0), f"cycles of {where}"
    ours.p &= NO_DECIMAL
    theirs.p &= NO_DECIMAL


@pytest.mark.parametrize("opcode", sorted(CYCLES), ids=lambda opcode: f"{opcode:02X}")
def test_every_official_opcode_does_as_py65_does(opcode: int) -> None:
    rng = random.Random(opcode)
    ours, theirs = random_pair(rng)
    for _ in range(200):
        set_registers(rng, ours, theirs)
        ours.write(ours.pc, opcode)
        theirs.memory[theirs.pc] = opcode
        step_both(ours, theirs)
    assert ours.dump() == bytes(theirs.memory)


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_run_as_in_py65(seed: int) -> None:
    rng = random.Random(seed)
    ours, theirs = random_pair(rng)
    official = sorted(set(CYCLES) - {0xF8})
    for _ in range(3000):
        if theirs.memory[theirs.pc] not in official:
            opcode = rng.choice(official)
            ours.write(ours.pc, opcode)
            theirs.memory[theirs.pc] = opcode
        step_both(ours, theirs)
    assert ours.dump() == bytes(theirs.memory)


@pytest.mark.parametrize("opcode", sorted(CYCLES), ids=lambda opcode: f"{opcode:02X}")
def test_cycles_are_those_of_the_data_sheet(opcode: int) -> None:
    cpu = _native.CpuHarness()
    cpu.pc = 0x0300
    for offset, byte in enumerate((opcode, 0x10, 0x04)):
        cpu.write(0x0300 + offset, byte)
    cpu.write(0x10, 0x20)
    if opcode in BRANCHES:
        # Opcodes test N, V, C, Z in pairs: for clear, then for set. Keep it from being taken.
        flag = {0x10: 0x80, 0x50: 0x40, 0x90: 0x01, 0xD0: 0x02}.get(opcode & 0xD0, 0)
        cpu.p = 0x20 if opcode & 0x20 else flag | 0x20
    assert cpu.step() == CYCLES[opcode]


@pytest.mark.parametrize("opcode", sorted(READS_THAT_CROSS), ids=lambda opcode: f"{opcode:02X}")
def test_reading_across_a_page_takes_one_cycle_more(opcode: int) -> None:
    cpu = _native.CpuHarness()
    cpu.pc = 0x0300
    for offset, byte in enumerate((opcode, 0xF0, 0x04)):
        cpu.write(0x0300 + offset, byte)
    cpu.write(0xF0, 0xF0)  # the pointer of the indirect mode: $04F0
    cpu.write(0xF1, 0x04)
    cpu.x = cpu.y = 0x10
    assert cpu.step() == CYCLES[opcode] + 1


@pytest.mark.parametrize("opcode", sorted(BRANCHES), ids=lambda opcode: f"{opcode:02X}")
@pytest.mark.parametrize(
    ("start", "distance", "more"), [(0x0300, 0x10, 1), (0x03F0, 0x20, 2), (0x0300, 0x80, 2)]
)
def test_a_branch_taken_takes_one_cycle_more_and_across_a_page_two(
    opcode: int, start: int, distance: int, more: int
) -> None:
    cpu = _native.CpuHarness()
    flag = {0x10: 0x80, 0x50: 0x40, 0x90: 0x01, 0xD0: 0x02}[opcode & 0xD0]
    cpu.p = flag | 0x20 if opcode & 0x20 else 0x20
    cpu.pc = start
    cpu.write(start, opcode)
    cpu.write(start + 1, distance)
    assert cpu.step() == 2 + more
    assert cpu.pc == start + 2 + (distance ^ 0x80) - 0x80


# Unofficial read-modify-write opcodes do two official things to one address.
PAIRS = {"SLO": (0x03, 0x0E, 0x0D), "RLA": (0x23, 0x2E, 0x2D), "SRE": (0x43, 0x4E, 0x4D),
         "RRA": (0x63, 0x6E, 0x6D), "DCP": (0xC3, 0xCE, 0xCD), "ISC": (0xE3, 0xEE, 0xED)}  # fmt: skip
# Addressing mode: what to add to the first opcode, bytes, cycles. The address is $0480 in every one.
PAIR_MODES = {
    "(zp,x)": (0x00, (0x30, 0x00), 8), "zp": (0x04, (0x80, 0x00), 5), "abs": (0x0C, (0x80, 0x04), 6),
    "(zp),y": (0x10, (0x40, 0x00), 8), "zp,x": (0x14, (0x70, 0x00), 6), "abs,y": (0x18, (0x60, 0x04), 7),
    "abs,x": (0x1C, (0x70, 0x04), 7),
}  # fmt: skip


@pytest.mark.parametrize("mode", PAIR_MODES)
@pytest.mark.parametrize("name", PAIRS)
def test_an_unofficial_pair_does_what_two_official_instructions_do(name: str, mode: str) -> None:
    base, first, second = PAIRS[name]
    offset, operand, cycles = PAIR_MODES[mode]
    rng = random.Random(name + mode)
    address = 0x0080 if mode.startswith("zp") else 0x0480
    for _ in range(50):
        unofficial, official = _native.CpuHarness(), _native.CpuHarness()
        value, a, p = rng.randrange(256), rng.randrange(256), rng.randrange(256) & NO_DECIMAL | 0x20
        for cpu in (unofficial, official):
            cpu.a, cpu.x, cpu.y, cpu.p, cpu.pc = a, 0x10, 0x20, p, 0x0300
            cpu.write(address, value)
            for at, byte in (
                ((0x40, 0x80), (0x41, 0x04)) if mode == "(zp,x)" else ((0x40, 0x60), (0x41, 0x04))
            ):
                cpu.write(at, byte)
        for at, byte in enumerate((base + offset, *operand)):
            unofficial.write(0x0300 + at, byte)
        for at, byte in enumerate(
            (first, address & 0xFF, address >> 8, second, address & 0xFF, address >> 8)
        ):
            official.write(0x0300 + at, byte)
        assert unofficial.step() == cycles
        official.step()
        official.step()
        assert (unofficial.a, unofficial.p) == (official.a, official.p)
        assert unofficial.read(address) == official.read(address)


def test_lax_loads_two_registers_and_sax_stores_their_conjunction() -> None:
    cpu = _native.CpuHarness()
    cpu.pc = 0x0300
    for at, byte in enumerate((0xA7, 0x80, 0xA2, 0x0F, 0x87, 0x81)):  # LAX $80, LDX #$0F, SAX $81
        cpu.write(0x0300 + at, byte)
    cpu.write(0x80, 0xA5)
    assert cpu.step() == 3
    assert (cpu.a, cpu.x, cpu.p & 0x82) == (0xA5, 0xA5, 0x80)
    cpu.step()
    assert cpu.step() == 3
    assert cpu.read(0x81) == 0x05


@pytest.mark.parametrize(
    ("opcode", "a", "x", "operand", "p", "expected"),
    [
        (0x0B, 0xF0, 0, 0x8F, 0x20, {"a": 0x80, "p": 0xA1}),  # ANC: AND, N into C
        (0x4B, 0x0F, 0, 0x03, 0x20, {"a": 0x01, "p": 0x21}),  # ALR: AND, LSR
        (0x6B, 0xFF, 0, 0xC0, 0x21, {"a": 0xE0, "p": 0xA1}),  # ARR: AND, ROR; C from bit 6, V from 6 and 5
        (0x6B, 0xFF, 0, 0x80, 0x20, {"a": 0x40, "p": 0x61}),
        (0xCB, 0xF0, 0x3C, 0x31, 0x20, {"x": 0xFF, "p": 0xA0}),  # AXS: X = (A and X) - operand
        (0xEB, 0x10, 0, 0x01, 0x21, {"a": 0x0F, "p": 0x21}),  # SBC again
    ],
)
def test_unofficial_immediate_instructions(
    opcode: int, a: int, x: int, operand: int, p: int, expected: dict[str, int]
) -> None:
    cpu = _native.CpuHarness()
    cpu.a, cpu.x, cpu.p, cpu.pc = a, x, p, 0x0300
    cpu.write(0x0300, opcode)
    cpu.write(0x0301, operand)
    assert cpu.step() == 2
    assert {name: getattr(cpu, name) for name in expected} == expected


@pytest.mark.parametrize("opcode", sorted(set(range(256)) - set(CYCLES) - JAMS), ids=lambda o: f"{o:02X}")
def test_an_unofficial_opcode_is_as_long_as_its_column_says(opcode: int) -> None:
    cpu = _native.CpuHarness()
    cpu.pc = 0x0300
    cpu.write(0x0300, opcode)
    cpu.write(0x0302, 0x04)
    cpu.step()
    column = opcode & 0x1F
    length = 1 if column in (0x1A, 0x0A) else 3 if column in (0x0C, 0x0F, 0x19, 0x1B, 0x1C, 0x1E, 0x1F) else 2
    assert cpu.pc == 0x0300 + length


@pytest.mark.parametrize("opcode", sorted(JAMS), ids=lambda opcode: f"{opcode:02X}")
def test_a_jam_stops_the_cpu(opcode: int) -> None:
    cpu = _native.CpuHarness()
    cpu.pc = 0x0300
    cpu.write(0x0300, opcode)
    cpu.step()
    stopped_at = cpu.pc
    assert cpu.step() == 0
    assert cpu.pc == stopped_at
