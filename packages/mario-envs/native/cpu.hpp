#pragma once

#include <cstdint>

namespace nes {

/// Bits of the status register as pushed on the stack (NESdev wiki, "Status flags").
enum StatusBit : uint8_t {
    kCarry = 0x01,
    kZero = 0x02,
    kInterruptDisable = 0x04,
    kDecimal = 0x08,  // kept, but the NES's 6502 does not do decimal arithmetic
    kBreak = 0x10,
    kUnused = 0x20,
    kOverflow = 0x40,
    kNegative = 0x80,
};

/// Registers between two instructions. All bytes of the struct have meaning: it is saved as it is.
struct CpuState {
    uint16_t pc = 0;
    uint8_t a = 0, x = 0, y = 0, sp = 0;
    uint8_t p = kInterruptDisable | kUnused;
    uint8_t irq_masked = 1;  ///< whether IRQs were masked when the last instruction looked for them
    uint8_t unused = 0;
    uint8_t jammed = 0;  ///< 1 after one of the twelve opcodes that stop the 6502 until a reset
};

/// Dots per CPU cycle; the CPU counts its time in dots so that CPU and PPU share one clock.
constexpr int32_t kDotsPerCycle = 3;

constexpr uint16_t kNmiVector = 0xFFFA;
constexpr uint16_t kResetVector = 0xFFFC;
constexpr uint16_t kIrqVector = 0xFFFE;

/// A 6502 in 64 KiB of plain memory, to test the instructions by themselves.
class CpuHarness {
  public:
    CpuState state;
    uint8_t memory[0x10000] = {};

    /// Executes one instruction; returns the cycles it took.
    int step();
};

}  // namespace nes
