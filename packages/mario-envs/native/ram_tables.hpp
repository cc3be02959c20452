#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace nes {

/// Numbers that lie in RAM byte by byte, read by a table. What they mean is the caller's business.
class RamValues {
  public:
    struct Byte {
        int32_t address;
        int64_t weight;
    };
    /// The sum of its bytes, each times its weight.
    struct Value {
        bool is_signed;  ///< whether the last of its bytes is from -128 to 127
        std::vector<Byte> bytes;
    };

    /// Throws std::invalid_argument where an address is not in work RAM.
    explicit RamValues(std::vector<Value> values);

    size_t size() const { return values_.size(); }

    /// Adds all values of `consoles` times 2 KiB of RAM to `out`, `[size, consoles]` of zeros.
    void read(const uint8_t* ram, size_t consoles, int64_t* out) const;

  private:
    std::vector<Value> values_;
};

/// A grid of cells in several channels, read from RAM by tables: a window of a scrolling map of tiles, and
/// things at places of their own. Columns of the map are numbered on over the whole level.
class RamCells {
  public:
    static constexpr int kNone = -1;  ///< in place of a channel or of an address

    /// A thing that fills the cell around one point.
    struct Thing {
        int32_t state, least;       ///< there if the byte at `state` is at least this
        int32_t channel;            ///< that it is drawn into, if it has no kind
        int32_t kind;               ///< address of its kind, by which its channel goes, or kNone
        int32_t x_low, x_high, dx;  ///< addresses (high or kNone); pixels to add
        int32_t y_low, y_high, dy;
    };
    struct Layout {
        int32_t channels, rows, columns;
        int32_t cell;  ///< its width and height in pixels
        /// `[rounds, rows, columns]`: where a window's tiles are if its first column is this, modulo rounds.
        std::vector<int32_t> tiles;
        std::vector<int32_t> channel_of_tile;  ///< [256], or kNone
        std::vector<int32_t> channel_of_kind;  ///< [256], or kNone
        std::vector<Thing> things;
    };

    /// Throws std::invalid_argument where a table has a wrong size, or names what is not there.
    explicit RamCells(Layout layout);

    const Layout& layout() const { return layout_; }

    /// Draws the window whose first column is `left`, one per console, of `consoles` times 2 KiB
    /// of RAM: writes 1 into `out`, `[consoles, channels, rows, columns]` of zeros.
    void draw(const uint8_t* ram, const int64_t* left, size_t consoles, int8_t* out) const;

  private:
    void draw_one(const uint8_t* ram, int64_t left, int8_t* out) const;

    Layout layout_;
    size_t cells_;   ///< per channel
    size_t rounds_;  ///< windows that differ
};

}  // namespace nes
