#include "background.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace nes {
namespace {

constexpr std::array<uint64_t, 256> make_spread() {
    std::array<uint64_t, 256> table{};
    for (int bits = 0; bits < 256; ++bits)
        for (int pixel = 0; pixel < 8; ++pixel)
            if (bits & (0x80 >> pixel)) table[static_cast<size_t>(bits)] |= uint64_t{0xFF} << (8 * pixel);
    return table;
}
constexpr std::array<uint64_t, 256> kSpread = make_spread();

int attribute_of(const uint8_t* table, int row, int column) {
    return table[0x3C0 | (row & 0x1C) << 1 | column >> 2] >> ((row & 2) << 1 | (column & 2)) & 3;
}

}  // namespace

uint64_t spread(uint8_t bits) {
    return kSpread[bits];
}

uint64_t TileColors::row(uint8_t low, uint8_t high, int attribute) const {
    const uint64_t first = kSpread[low], second = kSpread[high];
    const uint64_t* c = change[attribute];
    return backdrop ^ (first & c[0]) ^ (second & c[1]) ^ (first & second & c[2]);
}

void Background::forget() {
    for (auto& table : stale_) std::fill(std::begin(table), std::end(table), ~uint32_t{0});
}

void Background::written(uint16_t offset) {
    uint32_t (&table)[kRows] = stale_[offset >> 10 & 1];
    const int cell = offset & 0x3FF;
    if (cell < kRows * kColumns) {
        table[cell >> 5] |= uint32_t{1} << (cell & 31);
        return;
    }
    const int row = (cell - 0x3C0) >> 3 << 2, column = (cell & 7) << 2;
    for (int r = row; r < std::min(row + 4, kRows); ++r) table[r] |= uint32_t{0xF} << column;
}

void Background::recolor(const TileColors& colors, const uint8_t* name_tables) {
    int changed = 0;
    for (int attribute = 0; attribute < 4; ++attribute)
        if (std::memcmp(colors.change[attribute], colors_.change[attribute],
                        sizeof colors.change[attribute]) != 0)
            changed |= 1 << attribute;
    const bool all = colors.backdrop != colors_.backdrop || changed == 15;
    colors_ = colors;
    if (all) {
        forget();
        return;
    }
    if (!changed) return;
    for (int table = 0; table < 2; ++table)
        for (int row = 0; row < kRows; ++row)
            for (int column = 0; column < kColumns; column += 2)  // two columns share their attribute
                if (changed >> attribute_of(name_tables + 0x400 * table, row, column) & 1)
                    stale_[table][row] |= uint32_t{3} << column;
}

const uint8_t* Background::row(int table, int y, const uint8_t* name_tables, const uint8_t* patterns) {
    if (!pixels_) {
        pixels_ = std::make_unique<uint8_t[]>(2 * kRows * 8 * kWidth + kPadding);
        forget();
    }
    if (patterns != patterns_) {
        patterns_ = patterns;
        forget();
    }
    if (stale_[table][y >> 3]) draw_cells(table, y >> 3, name_tables + 0x400 * table);
    return pixels_.get() + (table * kRows * 8 + y) * kWidth;
}

void Background::draw_cells(int table, int cell_row, const uint8_t* name_table) {
    const TileColors colors = colors_;
    uint8_t* const band = pixels_.get() + (table * kRows + cell_row) * 8 * kWidth;
    for (int column = 0; column < kColumns; ++column) {
        if (!(stale_[table][cell_row] >> column & 1)) continue;
        const uint8_t* pattern = patterns_ + 16 * name_table[cell_row * kColumns + column];
        const int attribute = attribute_of(name_table, cell_row, column);
        for (int y = 0; y < 8; ++y) {
            const uint64_t pixels = colors.row(pattern[y], pattern[y + 8], attribute);
            std::memcpy(band + y * kWidth + 8 * column, &pixels, 8);
        }
    }
    stale_[table][cell_row] = 0;
}

}  // namespace nes
