#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace nes {

constexpr std::array<uint64_t, 256> make_spread() {
    std::array<uint64_t, 256> table{};
    for (int bits = 0; bits < 256; ++bits)
        for (int pixel = 0; pixel < 8; ++pixel)
            if (bits & (0x80 >> pixel)) table[static_cast<size_t>(bits)] |= uint64_t{0xFF} << (8 * pixel);
    return table;
}
inline constexpr std::array<uint64_t, 256> kSpread = make_spread();

/// One bit per pixel into one byte per pixel, 0x00 or 0xFF: bit 7 of the index becomes byte 0, and so on.
inline uint64_t spread(uint8_t bits) {
    return kSpread[bits];
}

/// Turns eight pixels of a tile's row into bytes. Colors are kept eight times over in 64 bits: color 0, and
/// for each of the four attributes the differences that turn it into 1, 2 and 3 by exclusive or.
struct TileColors {
    uint64_t backdrop = 0;
    uint64_t change[4][3] = {};

    uint64_t row(uint8_t low, uint8_t high, int attribute) const {
        const uint64_t first = spread(low), second = spread(high);
        const uint64_t* c = change[attribute];
        return backdrop ^ (first & c[0]) ^ (second & c[1]) ^ (first & second & c[2]);
    }
};

}  // namespace nes
