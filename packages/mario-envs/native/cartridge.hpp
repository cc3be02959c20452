#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nes {

/// Identifiers of instructions after reading ahead: 0x00-0xFF are plain opcodes, the rest are shortcuts
/// that `read_ahead` found in the program; see cpu_core.hpp for what each one does.
enum QuickOp : uint16_t {
    kIdle = 0x100,  ///< the closing branch of a loop that only waits
    kLeave,         ///< something only the plain interpreter handles (code that runs out of the ROM)
    kFill,          ///< the opening store of a loop that writes the same byte to RAM at equal steps
    // Absolute addressing whose operand is known to be work RAM
    kLdaRam,
    kLdxRam,
    kLdyRam,
    kStaRam,
    kStxRam,
    kStyRam,
    kIncRam,
    kDecRam,
    kCmpRam,
    kAndRam,
    // Two instructions at once
    kInyIny,
    kLsrLsr,
    kAslAsl,
    kClcAdcImm,
    kClcAdcAby,
    kSecSbcImm,
    kLdaImmStaZp,
    kLdaAbxStaZp,
    // An instruction and a branch; eight each, by the branch's condition
    kInxBranch,
    kInyBranch = kInxBranch + 8,
    kDexBranch = kInyBranch + 8,
    kDeyBranch = kDexBranch + 8,
    kCmpImmBranch = kDeyBranch + 8,
    kCmpZpBranch = kCmpImmBranch + 8,
    kAndImmBranch = kCmpZpBranch + 8,
    kLdaZpBranch = kAndImmBranch + 8,
    kLdaRamBranch = kLdaZpBranch + 8,
    kLdaZpxBranch = kLdaRamBranch + 8,
    kQuickOps = kLdaZpxBranch + 8,
};

/// An NROM cartridge (iNES mapper 0), immutable after construction, so that any number of machines on any
/// number of threads may share one.
struct Cartridge {
    static constexpr size_t kProgramSize = 0x8000;
    static constexpr size_t kPatternSize = 0x2000;
    /// The longest instruction may begin at the last byte; what it reads past the end is never executed.
    static constexpr size_t kPadding = 4;
    static constexpr uint16_t kPollsStatus = 0x8000;

    /// Reads an iNES file. Throws std::invalid_argument with one line that says what is wrong with it.
    Cartridge(const uint8_t* file, size_t size);

    std::vector<uint8_t> program;   ///< CPU $8000-$FFFF, 16 KiB programs already repeated; padded
    std::vector<uint8_t> patterns;  ///< PPU $0000-$1FFF; zeros if the cartridge has RAM there
    /// For each program byte, as if an instruction began there: its QuickOp in the lower half, its operand in
    /// the upper (of a branch: where in `program` it goes). Padded with kLeave.
    std::vector<uint32_t> code;
    std::vector<uint16_t>
        waits;  ///< for each kIdle: the loop's length in dots, and kPollsStatus if it reads $2002
    std::vector<uint16_t>
        fills;  ///< for each kFill: a round's length in dots, and in the upper byte how far it steps
    bool has_pattern_ram = false;
    bool vertical_mirroring = false;
    uint64_t fingerprint = 0;  ///< of everything above; a saved state fits only the cartridge it came from

  private:
    void read_ahead();
    void find_waits();
    void find_fills();
    void join_pairs();
};

constexpr uint16_t quick_op(uint32_t code) {
    return static_cast<uint16_t>(code);
}
constexpr uint32_t quick_operand(uint32_t code) {
    return code >> 16;
}

/// A fast 64-bit checksum, the same on every platform; it guards against damage, not against malice.
uint64_t checksum(const uint8_t* bytes, size_t size);

}  // namespace nes
