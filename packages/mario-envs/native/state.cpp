#include "state.hpp"

#include <cstring>
#include <stdexcept>
#include <string>

#include "machine.hpp"

namespace nes {
namespace {

constexpr char kMagic[8] = {'N', 'E', 'S', 'S', 'T', 'A', 'T', 'E'};

struct Header {
    char magic[8];
    uint32_t version;
    uint32_t size;         // of everything, header included
    uint64_t cartridge;    // its fingerprint
    uint64_t checksum;     // of what follows the header
    uint64_t has_picture;  // 1 if the state as the last frame began follows
};

/// Longest possible time between a frame's beginning and its first instruction: one that did sprite DMA.
constexpr int32_t kLatestStart = 560 * kDotsPerCycle;

[[noreturn]] void refuse(const std::string& why) {
    throw std::invalid_argument("cannot restore this state: " + why);
}

void check(bool ok) {
    if (!ok) refuse("its contents are not those of any console");
}

/// Refuses clocks that would make a frame endless, and cuts fields to their bits, as the rest relies on.
void sanitize(ConsoleState& state) {
    const int32_t latest = state.now < kPreRender ? kLatestStart : kFirstLine + kLatestStart;
    check(state.now >= 0 && state.now < latest);
    check(state.ppu.position >= 0 && state.ppu.position <= state.now + kDotsPerCycle);
    check(state.ppu.nmi_time >= -kDotsPerLine && state.ppu.nmi_time <= state.now);
    check(state.apu.next_step > -kLongFrame && state.apu.next_step < 2 * kLongFrame);
    check(state.apu.next_byte > -kLongFrame && state.apu.next_byte < 2 * kLongFrame);
    state.ppu.v &= 0x7FFF;
    state.ppu.t &= 0x7FFF;
    state.ppu.fine_x &= 7;
    state.ppu.second_write &= 1;
    state.ppu.odd &= 1;
    state.ppu.skipped = 0;
    state.ppu.blank_pending &= 1;
    state.ppu.nmi &= 1;
    for (uint8_t& color : state.ppu.palette) color &= 0x3F;
    state.apu.step &= 3;
    state.apu.five_steps &= 1;
    state.cpu.jammed &= 1;
}

}  // namespace

std::vector<uint8_t> save_state(const Machine& machine) {
    const bool has_pattern_ram = !machine.pattern_ram_.empty();
    Header header{};
    std::memcpy(header.magic, kMagic, sizeof kMagic);
    header.version = kStateVersion;
    header.cartridge = machine.cartridge().fingerprint;
    header.has_picture = machine.has_run_ && !has_pattern_ram;
    header.size = static_cast<uint32_t>(sizeof header + sizeof(ConsoleState) * (header.has_picture ? 2 : 1) +
                                        machine.pattern_ram_.size());
    std::vector<uint8_t> bytes(header.size);
    uint8_t* out = bytes.data() + sizeof header;
    std::memcpy(out, &machine.state_, sizeof(ConsoleState));
    out += sizeof(ConsoleState);
    if (header.has_picture) std::memcpy(out, &machine.before_, sizeof(ConsoleState));
    if (has_pattern_ram) std::memcpy(out, machine.pattern_ram_.data(), machine.pattern_ram_.size());
    header.checksum = checksum(bytes.data() + sizeof header, header.size - sizeof header);
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
}

void restore_state(Machine& machine, const uint8_t* bytes, size_t size) {
    Header header;
    if (size < sizeof header) refuse("it is truncated");
    std::memcpy(&header, bytes, sizeof header);
    if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) refuse("it was not saved by this emulator");
    if (header.version != kStateVersion)
        refuse("it has format version " + std::to_string(header.version) + ", this emulator reads version " +
               std::to_string(kStateVersion));
    if (header.size != size)
        refuse("it has " + std::to_string(size) + " bytes where its header says " +
               std::to_string(header.size));
    if (header.checksum != checksum(bytes + sizeof header, size - sizeof header)) refuse("it is damaged");
    if (header.cartridge != machine.cartridge().fingerprint) refuse("it was saved with another ROM");
    const size_t pattern_ram = machine.pattern_ram_.size();
    check(header.has_picture <= (pattern_ram ? 0 : 1));
    check(size == sizeof header + sizeof(ConsoleState) * (1 + header.has_picture) + pattern_ram);

    const uint8_t* in = bytes + sizeof header;
    ConsoleState state, before;
    std::memcpy(&state, in, sizeof state);
    sanitize(state);
    in += sizeof state;
    if (header.has_picture) {
        std::memcpy(&before, in, sizeof before);
        sanitize(before);
        machine.before_ = before;
    }
    machine.state_ = state;
    machine.has_run_ = header.has_picture != 0;
    if (pattern_ram) std::memcpy(machine.pattern_ram_.data(), in, pattern_ram);
    machine.ppu_.forget();
}

}  // namespace nes
