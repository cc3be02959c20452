// The PPU's pixels: tiles, whole lines, sprites.

#include <algorithm>
#include <cstring>

#include "ppu.hpp"
#include "ppu_bits.hpp"

namespace nes {

/// Goes past some tiles of the line, fetching those that are wanted.
void Ppu::fetch_tiles(int first, int last) {
    const int from = std::max(first, tiles_wanted_.first), to = std::min(last, tiles_wanted_.last);
    if (from > to) {
        if (rendering()) step_x(last - first + 1);
    } else if (!rendering()) {
        for (int slot = from; slot <= to; ++slot)
            tile_low_[slot] = tile_high_[slot] = tile_attribute_[slot] = 0;
    } else {
        step_x(from - first);
        for (int slot = from; slot <= to; ++slot) {
            const uint16_t v = state_.v;
            const uint8_t name = *name_cell(v);
            const uint8_t attribute =
                *name_cell(static_cast<uint16_t>(0x3C0 | (v & 0xC00) | (v >> 4 & 0x38) | (v >> 2 & 7)));
            const int pattern = (state_.control & kBackgroundTable) << 8 | name << 4 | (v >> 12 & 7);
            tile_low_[slot] = patterns_[pattern];
            tile_high_[slot] = patterns_[pattern + 8];
            tile_attribute_[slot] = attribute >> ((v >> 4 & 4) | (v & 2)) & 3;
            step_x(1);
        }
        step_x(last - to);
    }
}

void Ppu::show_background(int from, int to, uint8_t* row) {
    if (deferred_) {
        copy_background(row);
    } else {
        // Tile `slot` begins fine_x pixels to the left of where it would without scrolling.
        uint8_t line[34 * 8];
        for (int slot = 0; slot < 34; ++slot)
            store8(line + 8 * slot, colors_.row(tile_low_[slot], tile_high_[slot], tile_attribute_[slot]));
        std::memcpy(row + from, line + state_.fine_x + from, static_cast<size_t>(to - from));
    }
    if (from < 8 && !(state_.mask & kBackgroundLeft))
        std::memset(row + from, static_cast<uint8_t>(colors_.backdrop),
                    static_cast<size_t>(std::min(to, 8) - from));
}

void Ppu::draw_line(int line, int from, int to) {
    if (!mixed_) mix_colors();
    uint8_t* row = picture_->row(line);
    picture_->emphasis[line] = state_.mask >> 5;
    if (rendering() && state_.mask & kShowBackground) {
        show_background(from, to, row);
    } else {
        // With rendering off, a palette address in v shows that color (NESdev wiki, "PPU palettes").
        const int index = !rendering() && (state_.v & 0x3F00) == 0x3F00 ? state_.v & 0x1F : 0;
        std::memset(row + from, static_cast<uint8_t>(color_[index]), static_cast<size_t>(to - from));
    }
    if (sprite_count_ && state_.mask & kShowSprites) show_sprites(from, to, row);
}

void Ppu::mix_colors() {
    for (int i = 0; i < 32; ++i) {
        const int index =
            state_.palette[(i & 0x13) == 0x10 ? i & 0x0F : i] & (state_.mask & kGrayscale ? 0x30 : 0x3F);
        const uint8_t value =
            draw_ == Draw::kGray ? gray(index, state_.mask >> 5) : static_cast<uint8_t>(index);
        color_[i] = value * 0x0101010101010101u;
    }
    colors_.backdrop = color_[0];
    for (int attribute = 0; attribute < 4; ++attribute) {
        const uint64_t* color = color_ + 4 * attribute;
        colors_.change[attribute][0] = color_[0] ^ color[1];
        colors_.change[attribute][1] = color_[0] ^ color[2];
        colors_.change[attribute][2] = color_[0] ^ color[1] ^ color[2] ^ color[3];
    }
    background_.recolor(colors_, state_.name_tables);
    mixed_ = true;
}

/// Puts off drawing the coming line to its end, as long as no register changes: it can then be copied.
void Ppu::defer_line(int line) {
    line_v_ = state_.v;
    deferred_ = rendering() && line < kHeight && (line_v_ >> 5 & 0x1F) < 30;
    if (deferred_) tiles_wanted_ = tiles_to_hit();
}

/// To be called before a register changes: draws what has been shown of the line so far, and has the rest
/// drawn bit by bit.
void Ppu::stop_deferring() {
    if (!deferred_) return;
    deferred_ = false;
    tiles_wanted_ = kAllTiles;
    const int32_t at = state_.position - first_line();
    const int line = at < 0 ? -1 : at / kDotsPerLine;
    const int dot = at < 0 ? state_.position - kPreRender + 1 : at % kDotsPerLine;
    if (dot > 256) {  // the line before, which has fetched the first two tiles at most
        fetch_deferred((dot > 328) + (dot > 336));
        return;
    }
    fetch_deferred(dot == 0 ? 2 : std::min((dot - 1) / 8 + 2, 34));
    if (dot > 1) draw_line(line, 0, dot - 1);
}

/// Fetches the first tiles of a deferred line.
void Ppu::fetch_deferred(int slots) {
    const uint16_t v = state_.v;
    const Tiles wanted = tiles_wanted_;
    state_.v = line_v_;
    tiles_wanted_ = kAllTiles;
    fetch_tiles(0, slots - 1);
    tiles_wanted_ = wanted;
    state_.v = v;
}

/// Copies a deferred line's background: from one name table, then from the one to the right of it.
void Ppu::copy_background(uint8_t* row) {
    const uint8_t* patterns = patterns_ + (state_.control & kBackgroundTable) * 0x100;
    const int y = (line_v_ >> 5 & 0x1F) * 8 + (line_v_ >> 12 & 7), x = (line_v_ & 0x1F) * 8 + state_.fine_x;
    for (int half = 0; half < 2; ++half) {
        const ptrdiff_t table =
            (name_cell(static_cast<uint16_t>(line_v_ ^ half << 10)) - state_.name_tables) >> 10;
        const uint8_t* pixels = background_.row(static_cast<int>(table), y, state_.name_tables, patterns);
        // In whole groups of eight, the margin taking the excess: sizes known only at run time would be
        // copied byte by byte. Reading on past a row of pixels stays within the table's padding.
        uint8_t* to = half == 0 ? row : row + kWidth - x;
        const uint8_t* from = half == 0 ? pixels + x : pixels;
        const int count = half == 0 ? kWidth - x : x;
        for (int i = 0; i < count; i += 8) store8(to + i, load8(from + i));
    }
}

void Ppu::show_sprites(int from, int to, uint8_t* row) {
    if (from < 8 && !(state_.mask & kSpritesLeft)) from = 8;
    if (deferred_ && std::any_of(line_sprites_, line_sprites_ + sprite_count_,
                                 [](const Sprite& s) { return s.attributes & kBehind; }))
        fetch_deferred(34);
    const bool background = state_.mask & kShowBackground;
    uint8_t taken[kWidth / 8 + 2] = {};
    for (int i = 0; i < sprite_count_; ++i) {
        const Sprite& sprite = line_sprites_[i];
        const int cell = sprite.x / 8, shift = sprite.x & 7;
        uint32_t bits = static_cast<uint32_t>((sprite.low | sprite.high) & window(sprite.x, from, to));
        const uint32_t before =
            static_cast<uint32_t>(taken[cell] << 8 | taken[cell + 1]) << shift >> 8 & 0xFF;
        bits &= ~before;
        if (!bits) continue;
        // A sprite in front of others hides them even where it is itself behind the background.
        taken[cell] = static_cast<uint8_t>(taken[cell] | bits >> shift);
        taken[cell + 1] = static_cast<uint8_t>(taken[cell + 1] | bits << (8 - shift));
        if (sprite.attributes & kBehind && background) {
            const int at = sprite.x + state_.fine_x, slot = at / 8;
            uint32_t solid = static_cast<uint32_t>((tile_low_[slot] | tile_high_[slot]) << 8);
            if (slot < 33) solid |= tile_low_[slot + 1] | tile_high_[slot + 1];
            solid = solid << (at & 7) >> 8 & 0xFF;
            if (sprite.x < 8 && !(state_.mask & kBackgroundLeft)) solid &= 0xFFu >> (8 - sprite.x);
            bits &= ~solid;
        }
        const uint64_t shown = spread(static_cast<uint8_t>(bits)), low = spread(sprite.low),
                       high = spread(sprite.high);
        const uint64_t* color = color_ + 16 + 4 * (sprite.attributes & 3);
        const uint64_t value = (low & ~high & color[1]) | (~low & high & color[2]) | (low & high & color[3]);
        uint8_t* out = row + sprite.x;
        store8(out, (load8(out) & ~shown) | (value & shown));
    }
}

}  // namespace nes
