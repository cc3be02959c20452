#pragma once

#include <cstdint>
#include <cstring>

#include "cartridge.hpp"
#include "cpu.hpp"

// The instruction set, written once and compiled for each kind of bus. A Bus has
//   int32_t now, limit;   dots: when the next instruction begins, and when to stop
//   kOrigin               the address of the byte that `at(0)` returns
//   kQuick                whether `op` returns shortcuts, whose targets are known to lie within the ROM
//   op(i), at(i)          the operation and the byte at kOrigin + i
//   ram                   page 0 and 1 (at least)
//   read(address, now&, limit&), write(address, value, now&, limit&)
//                         everything else; may move both clocks. `now` is the end of the instruction and the
//                         access belongs to its last cycle, except
//   read_early(address, cycles_before_the_last, now&, limit&), write_early(...)
//                         for the dummy accesses of indexed and read-modify-write instructions
//   wait_period(i), wait_until(i, now, limit)   kQuick only: the length in dots of the waiting loop that ends
//                         at `i`, and the time before which nothing that it reads can change
//
// Cycle counts and dummy accesses: Visual6502 and NESdev wiki, "CPU addressing modes", "CPU unofficial
// opcodes".

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
    cpu.pc = target;
}

#if defined(__GNUC__)
#define NES_OP(code) op_##code
#define NES_DISPATCH() goto* labels[bus.op(ip)]
#define NES_ROW(h)                                                                                           \
    &&op_0x##h##0, &&op_0x##h##1, &&op_0x##h##2, &&op_0x##h##3, &&op_0x##h##4, &&op_0x##h##5, &&op_0x##h##6, \
        &&op_0x##h##7, &&op_0x##h##8, &&op_0x##h##9, &&op_0x##h##A, &&op_0x##h##B, &&op_0x##h##C,            \
        &&op_0x##h##D, &&op_0x##h##E, &&op_0x##h##F
#else
#define NES_OP(code) case code
#define NES_DISPATCH()   \
    do {                 \
        op = bus.op(ip); \
        goto dispatch;   \
    } while (0)
#endif

#define NES_NEXT()                    \
    do {                              \
        if (now >= limit) goto leave; \
        NES_DISPATCH();               \
    } while (0)

#define NES_TAKES(bytes, cycles) \
    ip += (bytes);               \
    now += (cycles) * kDotsPerCycle
#define NES_WORD(i) (bus.at((i)) | bus.at((i) + 1) << 8)
#define NES_ZERO_PAGE_WORD(z) (ram[(z) & 0xFF] | ram[((z) + 1) & 0xFF] << 8)

// Effective addresses; each leaves `ea`, and where an index may cross a page `base`.
#define NES_ZP(cycles)   \
    ea = bus.at(ip + 1); \
    NES_TAKES(2, cycles)
#define NES_ZPX(cycles)               \
    ea = (bus.at(ip + 1) + x) & 0xFF; \
    NES_TAKES(2, cycles)
#define NES_ZPY(cycles)               \
    ea = (bus.at(ip + 1) + y) & 0xFF; \
    NES_TAKES(2, cycles)
#define NES_ABS(cycles)    \
    ea = NES_WORD(ip + 1); \
    NES_TAKES(3, cycles)
#define NES_ABX(cycles)       \
    base = NES_WORD(ip + 1);  \
    ea = (base + x) & 0xFFFF; \
    NES_TAKES(3, cycles)
#define NES_ABY(cycles)       \
    base = NES_WORD(ip + 1);  \
    ea = (base + y) & 0xFFFF; \
    NES_TAKES(3, cycles)
#define NES_IZX(cycles)          \
    ea = bus.at(ip + 1) + x;     \
    ea = NES_ZERO_PAGE_WORD(ea); \
    NES_TAKES(2, cycles)
#define NES_IZY(cycles)              \
    base = bus.at(ip + 1);           \
    base = NES_ZERO_PAGE_WORD(base); \
    ea = (base + y) & 0xFFFF;        \
    NES_TAKES(2, cycles)

#define NES_READ() m = bus.read(ea, now, limit)
// A read whose index carried into the high byte takes a cycle more, having read the wrong page first.
#define NES_READ_INDEXED()                                                \
    do {                                                                  \
        if ((base ^ ea) & 0xFF00) {                                       \
            now += kDotsPerCycle;                                         \
            bus.read_early((base & 0xFF00) | (ea & 0xFF), 1, now, limit); \
        }                                                                 \
        NES_READ();                                                       \
    } while (0)
#define NES_WRITE(value) bus.write(ea, static_cast<uint8_t>(value), now, limit)
// A write with an index always reads the uncorrected address first.
#define NES_WRITE_INDEXED(value)                                      \
    do {                                                              \
        bus.read_early((base & 0xFF00) | (ea & 0xFF), 1, now, limit); \
        NES_WRITE(value);                                             \
    } while (0)
#define NES_MODIFY_ZP(action)          \
    m = ram[ea];                       \
    action;                            \
    ram[ea] = static_cast<uint8_t>(m); \
    NES_NEXT()
#define NES_MODIFY(action)                                       \
    m = bus.read_early(ea, 2, now, limit);                       \
    bus.write_early(ea, static_cast<uint8_t>(m), 1, now, limit); \
    action;                                                      \
    NES_WRITE(m);                                                \
    NES_NEXT()
#define NES_MODIFY_INDEXED(action)                                \
    bus.read_early((base & 0xFF00) | (ea & 0xFF), 3, now, limit); \
    NES_MODIFY(action)

// What the instructions do with `m`.
#define NES_LDA nz = a = m
#define NES_LDX nz = x = m
#define NES_LDY nz = y = m
#define NES_LAX nz = a = x = m
#define NES_ORA nz = a |= m
#define NES_AND nz = a &= m
#define NES_EOR nz = a ^= m
#define NES_ADC                               \
    sum = a + m + carry;                      \
    overflow = (~(a ^ m) & (a ^ sum)) & 0x80; \
    carry = sum >> 8;                         \
    nz = a = sum & 0xFF
#define NES_SBC \
    m ^= 0xFF;  \
    NES_ADC
#define NES_COMPARE(r) \
    carry = (r) >= m;  \
    nz = ((r) - m) & 0xFF
#define NES_BIT                     \
    nz = (a & m) | (m & 0x80) << 8; \
    overflow = m & 0x40
#define NES_ASL     \
    carry = m >> 7; \
    nz = m = m << 1 & 0xFF
#define NES_LSR    \
    carry = m & 1; \
    nz = m >>= 1
#define NES_ROL         \
    m = m << 1 | carry; \
    carry = m >> 8;     \
    nz = m &= 0xFF
#define NES_ROR      \
    m |= carry << 8; \
    carry = m & 1;   \
    nz = m >>= 1
#define NES_INC nz = m = (m + 1) & 0xFF
#define NES_DEC nz = m = (m - 1) & 0xFF
#define NES_SLO \
    NES_ASL;    \
    NES_ORA
#define NES_RLA \
    NES_ROL;    \
    NES_AND
#define NES_SRE \
    NES_LSR;    \
    NES_EOR
#define NES_RRA \
    NES_ROR;    \
    keep = m;   \
    NES_ADC;    \
    m = keep
#define NES_DCP \
    NES_DEC;    \
    NES_COMPARE(a)
#define NES_ISC \
    NES_INC;    \
    keep = m;   \
    NES_SBC;    \
    m = keep

// Families of opcodes that differ in addressing only.
#define NES_FROM_IMM(code, action)     \
    NES_OP(code) : m = bus.at(ip + 1); \
    NES_TAKES(2, 2);                   \
    action;                            \
    NES_NEXT();
#define NES_FROM_ZP(code, mode, action) \
    NES_OP(code) : mode;                \
    m = ram[ea];                        \
    action;                             \
    NES_NEXT();
#define NES_FROM(code, mode, action) \
    NES_OP(code) : mode;             \
    NES_READ();                      \
    action;                          \
    NES_NEXT();
#define NES_FROM_INDEXED(code, mode, action) \
    NES_OP(code) : mode;                     \
    NES_READ_INDEXED();                      \
    action;                                  \
    NES_NEXT();
#define NES_TO_ZP(code, mode, value)       \
    NES_OP(code) : mode;                   \
    ram[ea] = static_cast<uint8_t>(value); \
    NES_NEXT();
#define NES_TO(code, mode, value) \
    NES_OP(code) : mode;          \
    NES_WRITE(value);             \
    NES_NEXT();
#define NES_TO_INDEXED(code, mode, value) \
    NES_OP(code) : mode;                  \
    NES_WRITE_INDEXED(value);             \
    NES_NEXT();
// The eight addressing modes of the accumulator's instructions.
#define NES_ARITHMETIC(imm, zp, zpx, abs, abx, aby, izx, izy, action) \
    NES_FROM_IMM(imm, action)                                         \
    NES_FROM_ZP(zp, NES_ZP(3), action)                                \
    NES_FROM_ZP(zpx, NES_ZPX(4), action)                              \
    NES_FROM(abs, NES_ABS(4), action)                                 \
    NES_FROM_INDEXED(abx, NES_ABX(4), action)                         \
    NES_FROM_INDEXED(aby, NES_ABY(4), action)                         \
    NES_FROM(izx, NES_IZX(6), action)                                 \
    NES_FROM_INDEXED(izy, NES_IZY(5), action)
#define NES_MODIFIES(zp, zpx, abs, abx, action) \
    NES_OP(zp) : NES_ZP(5);                     \
    NES_MODIFY_ZP(action);                      \
    NES_OP(zpx) : NES_ZPX(6);                   \
    NES_MODIFY_ZP(action);                      \
    NES_OP(abs) : NES_ABS(6);                   \
    NES_MODIFY(action);                         \
    NES_OP(abx) : NES_ABX(7);                   \
    NES_MODIFY_INDEXED(action);
// The unofficial pairs (a shift or count, then arithmetic with the result) have three modes more.
#define NES_MODIFIES_MORE(aby, izx, izy, action) \
    NES_OP(aby) : NES_ABY(7);                    \
    NES_MODIFY_INDEXED(action);                  \
    NES_OP(izx) : NES_IZX(8);                    \
    NES_MODIFY(action);                          \
    NES_OP(izy) : NES_IZY(8);                    \
    NES_MODIFY_INDEXED(action);
#define NES_BRANCH(code, condition)                                       \
    NES_OP(code) : NES_TAKES(2, 2);                                       \
    if (condition) {                                                      \
        now += kDotsPerCycle;                                             \
        base = ip;                                                        \
        ip += static_cast<uint32_t>(static_cast<int8_t>(bus.at(ip - 1))); \
        if constexpr (!Bus::kQuick) ip &= 0xFFFF;                         \
        if ((base ^ ip) & 0xFF00) now += kDotsPerCycle;                   \
    }                                                                     \
    NES_NEXT();
#define NES_IMPLIED(code, action)   \
    NES_OP(code) : NES_TAKES(1, 2); \
    action;                         \
    NES_NEXT();
#define NES_SET_STATUS(value)                 \
    m = (value);                              \
    nz = (m & kNegative) << 8 | !(m & kZero); \
    carry = m & kCarry;                       \
    overflow = m & kOverflow;                 \
    kept = m & (kDecimal | kInterruptDisable)
// CLI, SEI and PLP change the flag after interrupts were looked at, so that one more instruction runs before
// a waiting interrupt is noticed (NESdev wiki, "CPU interrupts").
#define NES_NOTICE_LATER() \
    if (limit > now + 1) limit = now + 1
// The address of the four unstable stores: the value stored is ANDed with the high byte of the address + 1.
#define NES_UNSTABLE_STORE(code, mode, value)            \
    NES_OP(code) : mode;                                 \
    m = (value) & ((base >> 8) + 1) & 0xFF;              \
    if ((base ^ ea) & 0xFF00) ea = (ea & 0xFF) | m << 8; \
    NES_WRITE_INDEXED(m);                                \
    NES_NEXT();
#define NES_JAM(code) NES_OP(code) :
#define NES_GO(address)                                \
    ip = (address) - Bus::kOrigin;                     \
    if constexpr (Bus::kQuick) {                       \
        if (ip >= Cartridge::kProgramSize) goto leave; \
    }

/// Executes instructions until `bus.now >= bus.limit`, always whole ones and at least one (unless already
/// past the limit). On a kQuick bus it may return earlier, with the registers at an instruction that only a
/// plain bus can execute.
template <class Bus>
void execute(CpuState& cpu, Bus& bus) {
    if (bus.now >= bus.limit || cpu.jammed) return;

    uint8_t* const ram = bus.ram;
    uint32_t ip = static_cast<uint32_t>(cpu.pc) - Bus::kOrigin;
    uint32_t a = cpu.a, x = cpu.x, y = cpu.y;
    uint8_t sp = cpu.sp;
    // Bit 7 or 15 set: negative. Low byte 0: zero. Both at once are possible after BIT, PLP and RTI only.
    uint32_t nz, carry, overflow, kept;
    uint32_t m, ea, base, sum, keep;
    int32_t now = bus.now, limit = bus.limit;
    NES_SET_STATUS(cpu.p);

    // The last arrival at the end of a loop that waits; kept for one call, as nothing else may have run
    // since.
    uint32_t wait_ip = ~0u, wait_registers = 0, wait_flags = 0;
    int32_t wait_time = 0;

#if defined(__GNUC__)
    static const void* const labels[kQuickOps] = {
        NES_ROW(0),   NES_ROW(1),   NES_ROW(2),   NES_ROW(3),   NES_ROW(4),   NES_ROW(5),   NES_ROW(6),
        NES_ROW(7),   NES_ROW(8),   NES_ROW(9),   NES_ROW(A),   NES_ROW(B),   NES_ROW(C),   NES_ROW(D),
        NES_ROW(E),   NES_ROW(F),   &&op_kIdle,   &&op_kLeave,  &&op_kLdaRam, &&op_kLdxRam, &&op_kLdyRam,
        &&op_kStaRam, &&op_kStxRam, &&op_kStyRam, &&op_kIncRam, &&op_kDecRam, &&op_kCmpRam, &&op_kAndRam};
    NES_DISPATCH();
#else
    uint32_t op = bus.op(ip);
dispatch:
    switch (op) {
#endif

    // Loads, stores, arithmetic
    NES_ARITHMETIC(0xA9, 0xA5, 0xB5, 0xAD, 0xBD, 0xB9, 0xA1, 0xB1, NES_LDA)
    NES_ARITHMETIC(0x09, 0x05, 0x15, 0x0D, 0x1D, 0x19, 0x01, 0x11, NES_ORA)
    NES_ARITHMETIC(0x29, 0x25, 0x35, 0x2D, 0x3D, 0x39, 0x21, 0x31, NES_AND)
    NES_ARITHMETIC(0x49, 0x45, 0x55, 0x4D, 0x5D, 0x59, 0x41, 0x51, NES_EOR)
    NES_ARITHMETIC(0x69, 0x65, 0x75, 0x6D, 0x7D, 0x79, 0x61, 0x71, NES_ADC)
    NES_ARITHMETIC(0xE9, 0xE5, 0xF5, 0xED, 0xFD, 0xF9, 0xE1, 0xF1, NES_SBC)
    NES_ARITHMETIC(0xC9, 0xC5, 0xD5, 0xCD, 0xDD, 0xD9, 0xC1, 0xD1, NES_COMPARE(a))
    NES_FROM_IMM(0xEB, NES_SBC)
    NES_FROM_IMM(0xA2, NES_LDX)
    NES_FROM_ZP(0xA6, NES_ZP(3), NES_LDX)
    NES_FROM_ZP(0xB6, NES_ZPY(4), NES_LDX)
    NES_FROM(0xAE, NES_ABS(4), NES_LDX)
    NES_FROM_INDEXED(0xBE, NES_ABY(4), NES_LDX)
    NES_FROM_IMM(0xA0, NES_LDY)
    NES_FROM_ZP(0xA4, NES_ZP(3), NES_LDY)
    NES_FROM_ZP(0xB4, NES_ZPX(4), NES_LDY)
    NES_FROM(0xAC, NES_ABS(4), NES_LDY)
    NES_FROM_INDEXED(0xBC, NES_ABX(4), NES_LDY)
    NES_FROM_ZP(0xA7, NES_ZP(3), NES_LAX)
    NES_FROM_ZP(0xB7, NES_ZPY(4), NES_LAX)
    NES_FROM(0xAF, NES_ABS(4), NES_LAX)
    NES_FROM_INDEXED(0xBF, NES_ABY(4), NES_LAX)
    NES_FROM(0xA3, NES_IZX(6), NES_LAX)
    NES_FROM_INDEXED(0xB3, NES_IZY(5), NES_LAX)
    NES_FROM_IMM(0xE0, NES_COMPARE(x))
    NES_FROM_ZP(0xE4, NES_ZP(3), NES_COMPARE(x))
    NES_FROM(0xEC, NES_ABS(4), NES_COMPARE(x))
    NES_FROM_IMM(0xC0, NES_COMPARE(y))
    NES_FROM_ZP(0xC4, NES_ZP(3), NES_COMPARE(y))
    NES_FROM(0xCC, NES_ABS(4), NES_COMPARE(y))
    NES_FROM_ZP(0x24, NES_ZP(3), NES_BIT)
    NES_FROM(0x2C, NES_ABS(4), NES_BIT)
    NES_TO_ZP(0x85, NES_ZP(3), a)
    NES_TO_ZP(0x95, NES_ZPX(4), a)
    NES_TO(0x8D, NES_ABS(4), a)
    NES_TO_INDEXED(0x9D, NES_ABX(5), a)
    NES_TO_INDEXED(0x99, NES_ABY(5), a)
    NES_TO(0x81, NES_IZX(6), a)
    NES_TO_INDEXED(0x91, NES_IZY(6), a)
    NES_TO_ZP(0x86, NES_ZP(3), x)
    NES_TO_ZP(0x96, NES_ZPY(4), x)
    NES_TO(0x8E, NES_ABS(4), x)
    NES_TO_ZP(0x84, NES_ZP(3), y)
    NES_TO_ZP(0x94, NES_ZPX(4), y)
    NES_TO(0x8C, NES_ABS(4), y)
    NES_TO_ZP(0x87, NES_ZP(3), a & x)
    NES_TO_ZP(0x97, NES_ZPY(4), a & x)
    NES_TO(0x8F, NES_ABS(4), a & x)
    NES_TO(0x83, NES_IZX(6), a & x)

    // Read, modify, write
    NES_MODIFIES(0x06, 0x16, 0x0E, 0x1E, NES_ASL)
    NES_MODIFIES(0x46, 0x56, 0x4E, 0x5E, NES_LSR)
    NES_MODIFIES(0x26, 0x36, 0x2E, 0x3E, NES_ROL)
    NES_MODIFIES(0x66, 0x76, 0x6E, 0x7E, NES_ROR)
    NES_MODIFIES(0xE6, 0xF6, 0xEE, 0xFE, NES_INC)
    NES_MODIFIES(0xC6, 0xD6, 0xCE, 0xDE, NES_DEC)
    NES_MODIFIES(0x07, 0x17, 0x0F, 0x1F, NES_SLO)
    NES_MODIFIES_MORE(0x1B, 0x03, 0x13, NES_SLO)
    NES_MODIFIES(0x27, 0x37, 0x2F, 0x3F, NES_RLA)
    NES_MODIFIES_MORE(0x3B, 0x23, 0x33, NES_RLA)
    NES_MODIFIES(0x47, 0x57, 0x4F, 0x5F, NES_SRE)
    NES_MODIFIES_MORE(0x5B, 0x43, 0x53, NES_SRE)
    NES_MODIFIES(0x67, 0x77, 0x6F, 0x7F, NES_RRA)
    NES_MODIFIES_MORE(0x7B, 0x63, 0x73, NES_RRA)
    NES_MODIFIES(0xC7, 0xD7, 0xCF, 0xDF, NES_DCP)
    NES_MODIFIES_MORE(0xDB, 0xC3, 0xD3, NES_DCP)
    NES_MODIFIES(0xE7, 0xF7, 0xEF, 0xFF, NES_ISC)
    NES_MODIFIES_MORE(0xFB, 0xE3, 0xF3, NES_ISC)
    NES_IMPLIED(0x0A, m = a; NES_ASL; a = m)
    NES_IMPLIED(0x4A, m = a; NES_LSR; a = m)
    NES_IMPLIED(0x2A, m = a; NES_ROL; a = m)
    NES_IMPLIED(0x6A, m = a; NES_ROR; a = m)

    // Registers and flags
    NES_IMPLIED(0xAA, nz = x = a)
    NES_IMPLIED(0x8A, nz = a = x)
    NES_IMPLIED(0xA8, nz = y = a)
    NES_IMPLIED(0x98, nz = a = y)
    NES_IMPLIED(0xBA, nz = x = sp)
    NES_IMPLIED(0x9A, sp = static_cast<uint8_t>(x))
    NES_IMPLIED(0xE8, nz = x = (x + 1) & 0xFF)
    NES_IMPLIED(0xCA, nz = x = (x - 1) & 0xFF)
    NES_IMPLIED(0xC8, nz = y = (y + 1) & 0xFF)
    NES_IMPLIED(0x88, nz = y = (y - 1) & 0xFF)
    NES_IMPLIED(0x18, carry = 0)
    NES_IMPLIED(0x38, carry = 1)
    NES_IMPLIED(0xB8, overflow = 0)
    NES_IMPLIED(0xD8, kept &= ~uint32_t{kDecimal})
    NES_IMPLIED(0xF8, kept |= kDecimal)
    NES_IMPLIED(0x58, kept &= ~uint32_t{kInterruptDisable}; NES_NOTICE_LATER())
    NES_IMPLIED(0x78, kept |= kInterruptDisable)

    // Branches, jumps, the stack
    NES_BRANCH(0x10, !(nz & 0x8080))
    NES_BRANCH(0x30, nz & 0x8080)
    NES_BRANCH(0x50, !overflow)
    NES_BRANCH(0x70, overflow)
    NES_BRANCH(0x90, !carry)
    NES_BRANCH(0xB0, carry)
    NES_BRANCH(0xD0, nz & 0xFF)
    NES_BRANCH(0xF0, !(nz & 0xFF))
    NES_OP(0x4C) : ea = NES_WORD(ip + 1);
    NES_TAKES(3, 3);
    NES_GO(ea);
    NES_NEXT();
    NES_OP(0x6C)
        :  // the pointer's high byte comes from the same page
          base = NES_WORD(ip + 1);
    NES_TAKES(3, 5);
    m = bus.read_early(base, 1, now, limit);
    base = (base & 0xFF00) | ((base + 1) & 0xFF);
    m |= bus.read(base, now, limit) << 8;
    NES_GO(m);
    NES_NEXT();
    NES_OP(0x20) : ea = NES_WORD(ip + 1);
    base = ip + 2 + Bus::kOrigin;
    NES_TAKES(3, 6);
    ram[0x100 + sp--] = static_cast<uint8_t>(base >> 8);
    ram[0x100 + sp--] = static_cast<uint8_t>(base);
    NES_GO(ea);
    NES_NEXT();
    NES_OP(0x60) : m = ram[0x100 + ++sp];
    m |= ram[0x100 + ++sp] << 8;
    NES_TAKES(1, 6);
    NES_GO((m + 1) & 0xFFFF);
    NES_NEXT();
    NES_OP(0x40) : NES_TAKES(1, 6);
    NES_SET_STATUS(ram[0x100 + ++sp]);
    m = ram[0x100 + ++sp];
    m |= ram[0x100 + ++sp] << 8;
    if (!(kept & kInterruptDisable) && limit > now) limit = now;  // have a waiting IRQ noticed at once
    NES_GO(m);
    NES_NEXT();
    NES_OP(0x00) : base = ip + 2 + Bus::kOrigin;
    NES_TAKES(1, 7);
    ram[0x100 + sp--] = static_cast<uint8_t>(base >> 8);
    ram[0x100 + sp--] = static_cast<uint8_t>(base);
    ram[0x100 + sp--] = pack_status(nz, carry, overflow, kept | kBreak);
    kept |= kInterruptDisable;
    ea = kIrqVector;
    NES_READ();
    base = m;
    ea = kIrqVector + 1;
    NES_READ();
    NES_GO(base | m << 8);
    NES_NEXT();
    NES_OP(0x48) : NES_TAKES(1, 3);
    ram[0x100 + sp--] = static_cast<uint8_t>(a);
    NES_NEXT();
    NES_OP(0x68) : NES_TAKES(1, 4);
    nz = a = ram[0x100 + ++sp];
    NES_NEXT();
    NES_OP(0x08) : NES_TAKES(1, 3);
    ram[0x100 + sp--] = pack_status(nz, carry, overflow, kept | kBreak);
    NES_NEXT();
    NES_OP(0x28) : NES_TAKES(1, 4);
    NES_SET_STATUS(ram[0x100 + ++sp]);
    NES_NOTICE_LATER();
    NES_NEXT();

    // Nothing, in several lengths
    NES_OP(0xEA)
        : NES_OP(0x1A)
        : NES_OP(0x3A) : NES_OP(0x5A) : NES_OP(0x7A) : NES_OP(0xDA) : NES_OP(0xFA) : NES_TAKES(1, 2);
    NES_NEXT();
    NES_OP(0x80) : NES_OP(0x82) : NES_OP(0x89) : NES_OP(0xC2) : NES_OP(0xE2) : NES_TAKES(2, 2);
    NES_NEXT();
    NES_OP(0x04) : NES_OP(0x44) : NES_OP(0x64) : NES_TAKES(2, 3);
    NES_NEXT();
    NES_OP(0x14) : NES_OP(0x34) : NES_OP(0x54) : NES_OP(0x74) : NES_OP(0xD4) : NES_OP(0xF4) : NES_TAKES(2, 4);
    NES_NEXT();
    NES_FROM(0x0C, NES_ABS(4), (void)m)
    NES_OP(0x1C) : NES_OP(0x3C) : NES_OP(0x5C) : NES_OP(0x7C) : NES_OP(0xDC) : NES_OP(0xFC) : NES_ABX(4);
    NES_READ_INDEXED();
    NES_NEXT();

    // The rest of the unofficial instructions
    NES_FROM_IMM(0x0B, NES_AND; carry = a >> 7)
    NES_FROM_IMM(0x2B, NES_AND; carry = a >> 7)
    NES_FROM_IMM(0x4B, m &= a; NES_LSR; a = m)
    NES_FROM_IMM(0x6B, m &= a; NES_ROR; a = m; carry = m >> 6 & 1; overflow = (m >> 6 ^ m >> 5) & 1)
    NES_FROM_IMM(0xCB, m = (a & x) - m; carry = !(m >> 8); nz = x = m & 0xFF)
    // What these two read of the analog bus differs between chips; 0xEE and 0xFF are common answers.
    NES_FROM_IMM(0x8B, nz = a = (a | 0xEE) & x & m)
    NES_FROM_IMM(0xAB, nz = a = x = (a | 0xFF) & m)
    NES_FROM_INDEXED(0xBB, NES_ABY(4), nz = a = x = sp &= static_cast<uint8_t>(m))
    NES_UNSTABLE_STORE(0x9C, NES_ABX(5), y)
    NES_UNSTABLE_STORE(0x9E, NES_ABY(5), x)
    NES_UNSTABLE_STORE(0x9F, NES_ABY(5), a & x)
    NES_UNSTABLE_STORE(0x93, NES_IZY(6), a & x)
    NES_UNSTABLE_STORE(0x9B, NES_ABY(5), sp = static_cast<uint8_t>(a & x))
    NES_JAM(0x02)
    NES_JAM(0x12) NES_JAM(0x22) NES_JAM(0x32) NES_JAM(0x42) NES_JAM(0x52) NES_JAM(0x62) NES_JAM(0x72)
        NES_JAM(0x92) NES_JAM(0xB2) NES_JAM(0xD2) NES_JAM(0xF2) NES_TAKES(1, 2);
    cpu.jammed = 1;
    goto leave;

    // Shortcuts (kQuick only): the same results as the plain opcodes with less work
    NES_OP(kIdle) : if constexpr (Bus::kQuick) {
        // The loop ends here and does nothing but read. If it came around with the same registers and flags,
        // in exactly the time one round takes, it will do so again until something that it reads changes.
        const uint32_t registers = a | x << 8 | y << 16 | static_cast<uint32_t>(sp) << 24;
        const uint32_t flags = nz | carry << 16 | (overflow != 0) << 17 | kept << 18;
        const int32_t period = bus.wait_period(ip);
        if (ip == wait_ip && now == wait_time + period && registers == wait_registers &&
            flags == wait_flags) {
            const int32_t spare = bus.wait_until(ip, now, limit) - now;
            if (spare >= period) now += spare - spare % period;
        }
        wait_ip = ip;
        wait_time = now;
        wait_registers = registers;
        wait_flags = flags;
        if (now >= limit) goto leave;
    }
#if defined(__GNUC__)
    goto* labels[bus.at(ip)];
#else
        op = bus.at(ip);
        goto dispatch;
#endif
    NES_OP(kLdaRam) : NES_ABS(4);
    m = ram[ea & 0x7FF];
    NES_LDA;
    NES_NEXT();
    NES_OP(kLdxRam) : NES_ABS(4);
    m = ram[ea & 0x7FF];
    NES_LDX;
    NES_NEXT();
    NES_OP(kLdyRam) : NES_ABS(4);
    m = ram[ea & 0x7FF];
    NES_LDY;
    NES_NEXT();
    NES_OP(kCmpRam) : NES_ABS(4);
    m = ram[ea & 0x7FF];
    NES_COMPARE(a);
    NES_NEXT();
    NES_OP(kAndRam) : NES_ABS(4);
    m = ram[ea & 0x7FF];
    NES_AND;
    NES_NEXT();
    NES_OP(kStaRam) : NES_ABS(4);
    ram[ea & 0x7FF] = static_cast<uint8_t>(a);
    NES_NEXT();
    NES_OP(kStxRam) : NES_ABS(4);
    ram[ea & 0x7FF] = static_cast<uint8_t>(x);
    NES_NEXT();
    NES_OP(kStyRam) : NES_ABS(4);
    ram[ea & 0x7FF] = static_cast<uint8_t>(y);
    NES_NEXT();
    NES_OP(kIncRam) : NES_ABS(6);
    ea &= 0x7FF;
    NES_MODIFY_ZP(NES_INC);
    NES_OP(kDecRam) : NES_ABS(6);
    ea &= 0x7FF;
    NES_MODIFY_ZP(NES_DEC);
    NES_OP(kLeave)
        :
#if !defined(__GNUC__)
          default :;
}
#endif

leave : cpu.pc = static_cast<uint16_t>(ip + Bus::kOrigin);
cpu.a = static_cast<uint8_t>(a);
cpu.x = static_cast<uint8_t>(x);
cpu.y = static_cast<uint8_t>(y);
cpu.sp = sp;
cpu.p = pack_status(nz, carry, overflow, kept);
bus.now = now;
}

}  // namespace nes
