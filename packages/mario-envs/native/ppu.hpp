#pragma once

#include <cstdint>

#include "cartridge.hpp"
#include "picture.hpp"
#include "tile_colors.hpp"

namespace nes {

// A frame of this machine begins where vertical blank does, at dot 1 of line 241, and so do the clocks:
// dot 0 of a frame is that dot. NESdev wiki, "PPU rendering": 341 dots x 262 lines.
constexpr int32_t kDotsPerLine = 341;
constexpr int32_t kPreRender = 20 * kDotsPerLine;              ///< dot 1 of line 261
constexpr int32_t kFirstLine = kPreRender + kDotsPerLine - 1;  ///< dot 0 of line 0
constexpr int32_t kLongFrame = 262 * kDotsPerLine;             ///< one less in every other frame drawn
constexpr int32_t kNever = 0x3FFFFFFF;

/// Everything about the PPU that lasts from one frame to the next. All bytes have meaning: it is saved as
/// it is. Scroll registers are named as on the NESdev wiki, "PPU scrolling".
struct PpuState {
    uint8_t name_tables[0x800] = {};
    uint8_t sprites[0x100] = {};
    uint8_t palette[0x20] = {};
    uint16_t v = 0, t = 0;
    uint8_t fine_x = 0, second_write = 0;
    uint8_t control = 0, mask = 0;
    uint8_t status = 0xA0;  ///< vertical blank, sprite 0 hit, overflow: bits 7, 6, 5; two are set at power-on
    uint8_t sprite_address = 0;
    uint8_t read_buffer = 0;
    uint8_t bus = 0;            ///< the value last moved over the CPU-PPU bus
    uint8_t odd = 0;            ///< 1 in every other frame
    uint8_t skipped = 0;        ///< 1 once this frame has left out its dot
    uint8_t blank_pending = 1;  ///< 1 until this frame's end has set the vertical blank flag
    uint8_t nmi = 0;            ///< 1 while an NMI waits to be taken
    int32_t nmi_time = 0;       ///< when it was asked for
    int32_t position = 0;       ///< the next dot to process
};

/// The picture unit, run only as far as somebody looks: `catch_up` processes the dots since the last look.
/// All results are the same whether or not a picture is drawn, and however the time is cut into pieces.
/// Owned by one machine, used by one thread at a time.
class Ppu {
  public:
    enum class Draw { kNothing, kGray, kIndex };

    Ppu(const Cartridge& cartridge, PpuState& state, uint8_t* pattern_ram);

    /// Says whether and where to the coming frame is drawn. Only between frames.
    void begin_frame(Draw draw, Picture* picture);

    /// Processes every dot up to and including `dot`.
    void catch_up(int32_t dot);

    /// Dots from one vertical blank to the next; final once `dot` kFirstLine - 1 has been processed.
    int32_t frame_length() const { return kLongFrame - state_.skipped; }

    /// Moves the clock to the frame that has just begun.
    void end_frame();

    /// CPU accesses to registers 0-7 in the cycle whose dot is `dot`.
    uint8_t read(int reg, int32_t dot);
    void write(int reg, uint8_t value, int32_t dot);

    /// Fills sprite memory by DMA. The caller has caught up.
    void store_sprites(const uint8_t (&bytes)[0x100]);

    /// A time before which reading the status register gives what the last read gave; `dot` if it may have
    /// changed by `dot` already. Nothing but status reads may have come between.
    int32_t status_steady_until(int32_t dot);

    /// To be called when `state` was replaced from outside, between frames.
    void forget();

  private:
    struct Sprite {
        uint8_t x, low, high, attributes;
    };
    struct Tiles {
        int first, last;
        bool none() const { return first > last; }
    };
    static constexpr Tiles kNoTiles{34, -1}, kAllTiles{0, 33};

    bool rendering() const { return state_.mask & 0x18; }
    int32_t first_line() const { return kFirstLine - state_.skipped; }
    bool fetching(int32_t dot) const;

    void lines(int32_t end);
    int whole_lines(int line, int to);
    void advance(int line, int from, int to);
    void draw_line(int line, int from, int to);
    void show_background(int line, int from, int to);
    void show_sprites(int line, int from, int to);
    void test_hit(int from, int to);
    void test_overflow(int line, int from, int to);
    void fetch_tiles(int first, int last);
    Tiles tiles_to_hit() const;
    void defer_line(int line);
    void stop_deferring();
    void fetch_deferred(int slots);
    void draw_tiles(int line, int lines);
    void choose_sprites(int line);
    Sprite fetch_sprite(int index, int line) const;

    void count_sprites();
    void list_sprites();
    int next_line_to_watch(int line);
    void store_sprite_byte(uint8_t value);

    void step_x(int tiles);
    void step_y();
    void step_y(int lines);
    void copy_x();
    void copy_y();

    uint8_t* name_cell(uint16_t address) const;
    uint8_t peek(uint16_t address) const;
    void poke(uint16_t address, uint8_t value);
    void step_address(int32_t dot);
    void mix_colors();

    const Cartridge& cartridge_;
    PpuState& state_;
    uint8_t* pattern_ram_;
    const uint8_t* patterns_;

    Draw draw_ = Draw::kNothing;
    Picture* picture_ = nullptr;

    // The line being drawn; nothing of it lasts from one frame to the next. Tiles are filled for lines that
    // are drawn or hold sprite 0, which is decided once, when the line's sprites are chosen.
    Tiles tiles_wanted_ = kNoTiles;
    int sprite_count_ = 0;
    bool has_sprite_zero_ = false;
    Sprite line_sprites_[8] = {};
    uint8_t tile_low_[34] = {}, tile_high_[34] = {}, tile_attribute_[34] = {};

    // Derived from sprite memory and sprite height, rebuilt after they change.
    int sprite_height_counted_ = 0;
    int sprite_height_listed_ = 0;
    bool counted_ = false, listed_ = false, crowded_ = false;
    uint8_t count_[kHeight + 32] = {};
    uint8_t list_[kHeight][8] = {};
    uint8_t listed_count_[kHeight] = {};

    // While `deferred_`, the line is drawn as a whole at its end; `line_v_` is where its tiles begin.
    bool deferred_ = false;
    uint16_t line_v_ = 0;

    // Derived from palette and mask: each color eight times over.
    bool mixed_ = false;
    uint64_t color_[32] = {};
    TileColors colors_;
};

}  // namespace nes
