#pragma once

#include <cstdint>
#include <cstring>

#include "cartridge.hpp"
#include "cpu.hpp"

// The instruction set, written once and compiled for each kind of bus. A Bus has
//   int32_t now, limit;   dots: when the next instruction begins, and when to stop
//   kOrigin               the address of the byte that `at(0)` returns
//   kQuick                whether `code` returns what Cartridge::code has, operand included, or an opcode
//   code(i, now), at(i, now)   the operation and the byte at kOrigin + i
//   ram                   page 0 and 1 (at least)
//   read(address, now&, limit&), write(address, value, now&, limit&)
//                         everything else; may move both clocks. `now` is the end of the instruction and the
//                         access belongs to its last cycle, except
//   read_early(address, cycles_before_the_last, now&, limit&), write_early(...)
//                         for the dummy accesses of indexed and read-modify-write instructions
//   wait_period(i), wait_until(i, now, limit)   kQuick only: the length in dots of the waiting loop that ends
//                         at `i`, and the time before which nothing that it reads can change
//   fill_period(i), fill_step(i)   kQuick only: how long in dots a round of the filling loop at `i` takes,
//                         and how far its index moves
//
// Cycle counts and dummy accesses: Visual6502 and NESdev wiki, "CPU addressing modes", "CPU unofficial
// opcodes".

#if defined(__GNUC__)
#define NES_INLINE inline __attribute__((always_inline))
#else
#define NES_INLINE __forceinline
#endif

#include "cpu_words.inc"

namespace nes {

inline uint8_t pack_status(uint32_t nz, uint32_t carry, uint32_t overflow, uint32_t kept) {
    return static_cast<uint8_t>(((nz & 0x8080) ? kNegative : 0) | (overflow ? kOverflow : 0) | kUnused |
                                kept | ((nz & 0xFF) ? 0 : kZero) | carry);
}

/// Enters an interrupt handler: pushes PC and status, takes 7 cycles. `ram` holds pages 0 and 1.
inline void enter_interrupt(CpuState& cpu, uint8_t* ram, uint16_t target) {
    ram[0x100 + cpu.sp--] = static_cast<uint8_t>(cpu.pc >> 8);
    ram[0x100 + cpu.sp--] = static_cast<uint8_t>(cpu.pc);
    ram[0x100 + cpu.sp--] = static_cast<uint8_t>((cpu.p | kUnused) & ~kBreak);
    cpu.p |= kInterruptDisable;
    cpu.irq_masked = 1;
    cpu.pc = target;
}

/// The last arrival at the end of a loop that waits; for one call, as nothing else may have run since. Its
/// functions are not inlined, to leave the interpreter's registers to the rest.
struct WaitingLoop {
    size_t ip = ~size_t{0};
    uint32_t registers = 0, flags = 0;
    int32_t time = 0;

    /// Takes down an arrival; true if it came around with the same registers and flags in exactly `period`.
    bool came_around(size_t at, int32_t now, int32_t period, uint32_t registers_now, uint32_t flags_now);
};

/// Writes `value` to RAM at `base + y`, moves `y` by `step`, and so on while `y` does not come to 0 and at
/// most `most` times. Returns how often.
uint32_t fill(uint8_t* ram, uint32_t base, uint32_t value, uint32_t y, uint32_t step, int32_t most);

/// Executes instructions until `bus.now >= bus.limit`, always whole ones and at least one (unless already
/// past the limit). May return earlier: after an instruction that changes the interrupt mask, and on a kQuick
/// bus before one that only a plain bus can execute.
template <class Bus>
void execute(CpuState& cpu, Bus& outer) {
    if (outer.now >= outer.limit || cpu.jammed) return;

    // A copy, which no write to RAM can be taken to change, so that its pointers stay in registers.
    Bus bus = outer;
    uint8_t* const ram = bus.ram;
    size_t ip = static_cast<uint32_t>(cpu.pc) - Bus::kOrigin;  // as wide as a pointer: it is one's offset
    uint32_t a = cpu.a, x = cpu.x, y = cpu.y;
    uint8_t sp = cpu.sp;
    // Bit 7 or 15 set: negative. Low byte 0: zero. Both at once are possible after BIT, PLP and RTI only.
    uint32_t nz, carry, overflow, kept;
    uint32_t fetched, m, ea, base, sum, keep;
    int32_t now = bus.now, limit = bus.limit;
    NES_SET_STATUS(cpu.p);
    WaitingLoop waiting;

#if defined(__GNUC__)
    static const void* const labels[kQuickOps] = {
        NES_ROW(0), NES_ROW(1), NES_ROW(2), NES_ROW(3), NES_ROW(4), NES_ROW(5), NES_ROW(6), NES_ROW(7),
        NES_ROW(8), NES_ROW(9), NES_ROW(A), NES_ROW(B), NES_ROW(C), NES_ROW(D), NES_ROW(E), NES_ROW(F),
        // In the order of QuickOp
        &&op_kIdle, &&op_kLeave, &&op_kFill, &&op_kLdaRam, &&op_kLdxRam, &&op_kLdyRam, &&op_kStaRam,
        &&op_kStxRam, &&op_kStyRam, &&op_kIncRam, &&op_kDecRam, &&op_kCmpRam, &&op_kAndRam, &&op_kInyIny,
        &&op_kLsrLsr, &&op_kAslAsl, &&op_kClcAdcImm, &&op_kClcAdcAby, &&op_kSecSbcImm, &&op_kLdaImmStaZp,
        &&op_kLdaAbxStaZp, NES_CONDITIONS(kInxBranch), NES_CONDITIONS(kInyBranch), NES_CONDITIONS(kDexBranch),
        NES_CONDITIONS(kDeyBranch), NES_CONDITIONS(kCmpImmBranch), NES_CONDITIONS(kCmpZpBranch),
        NES_CONDITIONS(kAndImmBranch), NES_CONDITIONS(kLdaZpBranch), NES_CONDITIONS(kLdaRamBranch),
        NES_CONDITIONS(kLdaZpxBranch)};
    NES_DISPATCH();
#include "cpu_instructions.inc"
#else
    fetched = bus.code(ip, now);
    uint32_t operation = quick_op(fetched);
dispatch:
    switch (operation) {
#include "cpu_instructions.inc"
    }
#endif

leave:
    cpu.irq_masked = (kept & kInterruptDisable) != 0;
leave_with_mask:
    cpu.pc = static_cast<uint16_t>(ip + Bus::kOrigin);
    cpu.a = static_cast<uint8_t>(a);
    cpu.x = static_cast<uint8_t>(x);
    cpu.y = static_cast<uint8_t>(y);
    cpu.sp = sp;
    cpu.p = pack_status(nz, carry, overflow, kept);
    outer.now = now;
}

}  // namespace nes
