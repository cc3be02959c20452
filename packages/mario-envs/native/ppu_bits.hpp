#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

// What the PPU's files share: bits of its registers and of sprite attributes (NESdev wiki, "PPU registers",
// "PPU OAM"), and eight pixels as bytes or as bits.

namespace nes {

constexpr uint8_t kBlank = 0x80, kHit = 0x40, kOverflowFlag = 0x20;
constexpr uint8_t kNmiEnabled = 0x80, kTallSprites = 0x20, kBackgroundTable = 0x10, kSpriteTable = 0x08;
constexpr uint8_t kStepDown = 0x04;
constexpr uint8_t kShowSprites = 0x10, kShowBackground = 0x08, kSpritesLeft = 0x04, kBackgroundLeft = 0x02;
constexpr uint8_t kGrayscale = 0x01;
constexpr uint8_t kBehind = 0x20, kFlipAcross = 0x40, kFlipDown = 0x80;

inline void store8(uint8_t* to, uint64_t bytes) {
    std::memcpy(to, &bytes, 8);
}
inline uint64_t load8(const uint8_t* from) {
    uint64_t bytes;
    std::memcpy(&bytes, from, 8);
    return bytes;
}

/// Bits of the eight pixels from `first` on that lie in [from, to), the leftmost in bit 7.
inline uint8_t window(int first, int from, int to) {
    const int left = std::max(from - first, 0), right = std::min(to - first, 8);
    return left < right ? static_cast<uint8_t>((0xFF >> left) & ~(0xFF >> right)) : uint8_t{0};
}

}  // namespace nes
