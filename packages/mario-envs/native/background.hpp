#pragma once

#include <cstdint>
#include <memory>

namespace nes {

/// Turns eight pixels of a tile's row into bytes. Colors are kept eight times over in 64 bits: color 0, and
/// for each of the four attributes the differences that turn it into 1, 2 and 3 by exclusive or.
struct TileColors {
    uint64_t backdrop = 0;
    uint64_t change[4][3] = {};

    uint64_t row(uint8_t low, uint8_t high, int attribute) const;
};

/// The two name tables as pixels, kept from frame to frame: a game changes few cells of them at a time, so
/// that drawing a line is copying it. Allocates its 120 KiB when first used.
class Background {
  public:
    /// Forgets every pixel.
    void forget();

    /// A byte of name table memory (0 to 0x7FF) has been written: a cell, or the attributes of sixteen.
    void written(uint16_t offset);

    /// Colors have changed; `name_tables` says which cells use them.
    void recolor(const TileColors& colors, const uint8_t* name_tables);

    /// One row of pixels of one of the two tables, 0 to 239, drawn anew where it was written.
    const uint8_t* row(int table, int y, const uint8_t* name_tables, const uint8_t* patterns);

  private:
    static constexpr int kRows = 30, kColumns = 32, kWidth = 256;
    static constexpr int kPadding = 8;  // readers may go on to whole groups of eight pixels

    void draw_cells(int table, int cell_row, const uint8_t* name_tables);

    TileColors colors_;
    const uint8_t* patterns_ = nullptr;  // which of the two pattern tables the pixels are drawn from
    uint32_t stale_[2][kRows] = {};      // a bit per cell
    std::unique_ptr<uint8_t[]> pixels_;
};

/// Bit 7 of the index becomes byte 0, and so on: one bit per pixel into one byte per pixel, 0x00 or 0xFF.
uint64_t spread(uint8_t bits);

}  // namespace nes
