#include "cartridge.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "cpu.hpp"

namespace nes {
namespace {

constexpr size_t kHeaderSize = 16;
constexpr size_t kTrainerSize = 512;
constexpr size_t kProgramBank = 0x4000;
constexpr size_t kPatternBank = 0x2000;

/// An instruction that may be part of a loop that waits: it changes nothing but A, X, Y, SP and flags, and
/// always takes the same time.
struct PureOp {
    uint8_t code, bytes, cycles;
};

constexpr PureOp kPureOps[] = {
    // immediate: LDA LDX LDY CMP CPX CPY AND ORA EOR ADC SBC
    {0xA9, 2, 2},
    {0xA2, 2, 2},
    {0xA0, 2, 2},
    {0xC9, 2, 2},
    {0xE0, 2, 2},
    {0xC0, 2, 2},
    {0x29, 2, 2},
    {0x09, 2, 2},
    {0x49, 2, 2},
    {0x69, 2, 2},
    {0xE9, 2, 2},
    // zero page: LDA LDX LDY CMP CPX CPY AND ORA EOR BIT
    {0xA5, 2, 3},
    {0xA6, 2, 3},
    {0xA4, 2, 3},
    {0xC5, 2, 3},
    {0xE4, 2, 3},
    {0xC4, 2, 3},
    {0x25, 2, 3},
    {0x05, 2, 3},
    {0x45, 2, 3},
    {0x24, 2, 3},
    // absolute: the same
    {0xAD, 3, 4},
    {0xAE, 3, 4},
    {0xAC, 3, 4},
    {0xCD, 3, 4},
    {0xEC, 3, 4},
    {0xCC, 3, 4},
    {0x2D, 3, 4},
    {0x0D, 3, 4},
    {0x4D, 3, 4},
    {0x2C, 3, 4},
    // between registers: TAX TXA TAY TYA, shifts of A, CLC SEC CLV NOP
    {0xAA, 1, 2},
    {0x8A, 1, 2},
    {0xA8, 1, 2},
    {0x98, 1, 2},
    {0x0A, 1, 2},
    {0x4A, 1, 2},
    {0x2A, 1, 2},
    {0x6A, 1, 2},
    {0x18, 1, 2},
    {0x38, 1, 2},
    {0xB8, 1, 2},
    {0xEA, 1, 2},
};

const PureOp* find_pure(uint8_t code) {
    for (const PureOp& op : kPureOps)
        if (op.code == code) return &op;
    return nullptr;
}

bool is_branch(uint8_t code) {
    return (code & 0x1F) == 0x10;
}

bool is_status_register(uint16_t address) {
    return address >= 0x2000 && address < 0x4000 && (address & 7) == 2;
}

uint8_t bytes_of(uint8_t code) {
    // NESdev wiki, "CPU unofficial opcodes": the length follows from the row and column of the opcode matrix.
    if (code == 0x20) return 3;
    if (code == 0x00 || code == 0x40 || code == 0x60) return 1;
    switch (code & 0x1F) {
        case 0x08:
        case 0x0A:
        case 0x12:
        case 0x18:
        case 0x1A:
            return 1;
        case 0x02:
            return code >= 0x80 ? 2 : 1;
        case 0x0C:
        case 0x0D:
        case 0x0E:
        case 0x0F:
        case 0x19:
        case 0x1B:
        case 0x1C:
        case 0x1D:
        case 0x1E:
        case 0x1F:
            return 3;
        default:
            return 2;
    }
}

/// The shortcut for an instruction with an absolute operand in work RAM, or the opcode itself.
uint16_t quick_ram_op(uint8_t code) {
    switch (code) {
        case 0xAD:
            return kLdaRam;
        case 0xAE:
            return kLdxRam;
        case 0xAC:
            return kLdyRam;
        case 0x8D:
            return kStaRam;
        case 0x8E:
            return kStxRam;
        case 0x8C:
            return kStyRam;
        case 0xEE:
            return kIncRam;
        case 0xCE:
            return kDecRam;
        case 0xCD:
            return kCmpRam;
        case 0x2D:
            return kAndRam;
        default:
            return code;
    }
}

constexpr struct {
    uint16_t first, second, joined;
} kPairs[] = {
    {0xC8, 0xC8, kInyIny},      {0x4A, 0x4A, kLsrLsr},      {0x0A, 0x0A, kAslAsl},
    {0x18, 0x69, kClcAdcImm},   {0x18, 0x79, kClcAdcAby},   {0x38, 0xE9, kSecSbcImm},
    {0xA9, 0x85, kLdaImmStaZp}, {0xBD, 0x85, kLdaAbxStaZp},
};

constexpr struct {
    uint16_t first, joined;
} kBeforeBranch[] = {
    {0xE8, kInxBranch},       {0xC8, kInyBranch},    {0xCA, kDexBranch},    {0x88, kDeyBranch},
    {0xC9, kCmpImmBranch},    {0xC5, kCmpZpBranch},  {0x29, kAndImmBranch}, {0xA5, kLdaZpBranch},
    {kLdaRam, kLdaRamBranch}, {0xB5, kLdaZpxBranch},
};

}  // namespace

uint64_t checksum(const uint8_t* bytes, size_t size) {
    // Four independent multiply-and-rotate chains over 8-byte words, so that a saved state takes about a
    // microsecond; the odd constants are the fractional parts of the golden ratio and of square roots.
    constexpr uint64_t kFactor[4] = {0x9E3779B97F4A7C15, 0x6A09E667F3BCC909, 0xBB67AE8584CAA73B,
                                     0x3C6EF372FE94F82B};
    uint64_t chain[4] = {size, 1, 2, 3};
    const size_t words = size / 8;
    for (size_t i = 0; i < words; ++i) {
        uint64_t word;
        std::memcpy(&word, bytes + 8 * i, 8);
        uint64_t& sum = chain[i & 3];
        sum = (sum ^ word) * kFactor[i & 3];
        sum = sum << 29 | sum >> 35;
    }
    uint64_t tail = 0;
    if (size % 8) std::memcpy(&tail, bytes + 8 * words, size % 8);
    uint64_t result = tail;
    for (int k = 0; k < 4; ++k) {
        result = (result ^ chain[k]) * kFactor[k];
        result ^= result >> 32;
    }
    return result;
}

Cartridge::Cartridge(const uint8_t* file, size_t size) {
    // NESdev wiki, "iNES"
    if (size < kHeaderSize || std::memcmp(file, "NES\x1A", 4) != 0)
        throw std::invalid_argument("not an iNES file: it does not begin with 'NES' and the byte 0x1A");
    const size_t program_banks = file[4], pattern_banks = file[5];
    const bool nes2 = (file[7] & 0x0C) == 0x08;
    // Old tools left text in bytes 7 to 15, which would be read as a mapper number.
    const bool clean = std::all_of(file + 12, file + 16, [](uint8_t byte) { return byte == 0; });
    const int mapper =
        file[6] >> 4 | (nes2 || clean ? file[7] & 0xF0 : 0) | (nes2 ? (file[8] & 0x0F) << 8 : 0);
    if (mapper != 0)
        throw std::invalid_argument("mapper " + std::to_string(mapper) +
                                    " is not supported, only mapper 0 (NROM)");
    if (program_banks != 1 && program_banks != 2)
        throw std::invalid_argument("an NROM cartridge has 1 or 2 program banks of 16 KiB, not " +
                                    std::to_string(program_banks));
    if (pattern_banks > 1)
        throw std::invalid_argument("an NROM cartridge has 0 or 1 pattern banks of 8 KiB, not " +
                                    std::to_string(pattern_banks));
    if (file[6] & 0x08) throw std::invalid_argument("four-screen mirroring is not supported");
    const size_t start = kHeaderSize + (file[6] & 0x04 ? kTrainerSize : 0);
    const size_t needed = start + program_banks * kProgramBank + pattern_banks * kPatternBank;
    if (size < needed)
        throw std::invalid_argument("the file is truncated: its header promises " + std::to_string(needed) +
                                    " bytes, it has " + std::to_string(size));

    program.resize(kProgramSize + kPadding);
    for (size_t at = 0; at < kProgramSize; at += program_banks * kProgramBank)
        std::memcpy(program.data() + at, file + start, program_banks * kProgramBank);
    patterns.resize(kPatternSize);
    has_pattern_ram = pattern_banks == 0;
    if (!has_pattern_ram)
        std::memcpy(patterns.data(), file + start + program_banks * kProgramBank, kPatternSize);
    vertical_mirroring = file[6] & 0x01;
    fingerprint = checksum(program.data(), kProgramSize) ^ checksum(patterns.data(), kPatternSize) * 3 ^
                  (has_pattern_ram ? 1u : 0u) ^ (vertical_mirroring ? 2u : 0u);
    read_ahead();
    find_waits();
    find_fills();
    join_pairs();
}

void Cartridge::read_ahead() {
    code.assign(kProgramSize + kPadding, kLeave);
    for (size_t i = 0; i < kProgramSize; ++i) {
        const uint8_t opcode = program[i];
        const size_t size = bytes_of(opcode);
        if (i + size > kProgramSize) continue;  // would run out of the ROM
        uint32_t op = opcode, operand = 0;
        if (is_branch(opcode)) {
            const int64_t target = static_cast<int64_t>(i) + 2 + static_cast<int8_t>(program[i + 1]);
            if (target < 0 || target >= static_cast<int64_t>(kProgramSize)) continue;
            operand = static_cast<uint32_t>(target);
        } else if (size == 2) {
            operand = program[i + 1];
        } else if (size == 3) {
            operand = static_cast<uint32_t>(program[i + 1] | program[i + 2] << 8);
            if (operand < 0x2000) op = quick_ram_op(opcode);
        }
        code[i] = op | operand << 16;
    }
}

/// Joins common pairs; the second keeps its own entry, for those who jump to it. Whether an interrupt comes
/// in between is still looked at.
void Cartridge::join_pairs() {
    for (size_t i = 0; i < kProgramSize; ++i) {
        const uint16_t first = quick_op(code[i]);
        const uint16_t second = quick_op(code[std::min(i + bytes_of(program[i]), kProgramSize)]);
        uint16_t joined = first;
        if (second < 0x100 && is_branch(static_cast<uint8_t>(second))) {
            for (const auto& pair : kBeforeBranch)
                if (pair.first == first) joined = static_cast<uint16_t>(pair.joined + (second >> 5));
        } else {
            for (const auto& pair : kPairs)
                if (pair.first == first && pair.second == second) joined = pair.joined;
        }
        code[i] = (code[i] & 0xFFFF0000) | joined;
    }
}

void Cartridge::find_waits() {
    constexpr size_t kLongestWait = 40;
    waits.assign(kProgramSize, 0);
    for (size_t end = 0; end < kProgramSize; ++end) {
        const uint8_t opcode = program[end];
        if (quick_op(code[end]) == kLeave || !(is_branch(opcode) || opcode == 0x4C)) continue;
        const size_t next = end + (opcode == 0x4C ? 3 : 2);
        const int64_t start = opcode == 0x4C
                                  ? static_cast<int64_t>(program[end + 1] | program[end + 2] << 8) - 0x8000
                                  : static_cast<int64_t>(next) + static_cast<int8_t>(program[end + 1]);
        if (start < 0 || start > static_cast<int64_t>(end) || end - static_cast<size_t>(start) > kLongestWait)
            continue;
        int cycles = 3 + (opcode != 0x4C && ((next ^ static_cast<size_t>(start)) & 0xFF00) ? 1 : 0);
        bool polls = false;
        size_t at = static_cast<size_t>(start);
        while (at < end) {
            const PureOp* op = find_pure(program[at]);
            if (!op) break;
            if (op->bytes == 3) {
                const uint16_t address = static_cast<uint16_t>(program[at + 1] | program[at + 2] << 8);
                if (is_status_register(address))
                    polls = true;
                else if (address >= 0x2000 && address < 0x8000)
                    break;
            }
            cycles += op->cycles;
            at += op->bytes;
        }
        if (at != end) continue;
        code[end] = (code[end] & 0xFFFF0000) | kIdle;
        waits[end] = static_cast<uint16_t>(cycles * kDotsPerCycle | (polls ? kPollsStatus : 0));
    }
}

/// Finds "STA absolute,Y; INY, once or more; BNE back": how a program clears its list of sprites.
void Cartridge::find_fills() {
    constexpr uint8_t kStoreY = 0x99, kIncrementY = 0xC8, kBranchNotZero = 0xD0;
    constexpr size_t kMostSteps = 16;
    fills.assign(kProgramSize, 0);
    for (size_t start = 0; start + 3 + kMostSteps + 2 < kProgramSize; ++start) {
        // Every byte that the index may reach must be RAM.
        if (program[start] != kStoreY || quick_operand(code[start]) > 0x1F00) continue;
        size_t at = start + 3;
        while (at < start + 3 + kMostSteps && program[at] == kIncrementY) ++at;
        const size_t steps = at - start - 3, next = at + 2;
        if (!steps || quick_op(code[at]) != kBranchNotZero || quick_operand(code[at]) != start) continue;
        const size_t cycles = 5 + 2 * steps + 3 + ((next ^ start) & 0xFF00 ? 1 : 0);
        code[start] = (code[start] & 0xFFFF0000) | kFill;
        fills[start] = static_cast<uint16_t>(steps << 8 | cycles * kDotsPerCycle);
    }
}

}  // namespace nes
