// The PPU's pixels: tiles, whole lines, sprites.

#include <algorithm>
#include <cstring>

#include "ppu.hpp"
#include "ppu_bits.hpp"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#endif

namespace nes {
namespace {

/// Draws all eight rows of a tile; in most pictures most tiles are empty.
void draw_tile(const uint8_t* pattern, const TileColors& colors, int attribute, uint8_t* out) {
    const uint64_t low = load8(pattern), high = load8(pattern + 8);
    if (!(low | high)) {
        for (int y = 0; y < 8; ++y) store8(out + y * Picture::kStride, colors.backdrop);
        return;
    }
#if defined(__SSE2__) || defined(_M_X64)
    // Two rows at once, as TileColors::row does one.
    const auto both = [](const uint64_t& bytes) { return _mm_set1_epi64x(static_cast<int64_t>(bytes)); };
    const auto masks = [](uint8_t upper, uint8_t lower) {
        return _mm_set_epi64x(static_cast<int64_t>(spread(lower)), static_cast<int64_t>(spread(upper)));
    };
    const uint64_t* change = colors.change[attribute];
    const __m128i backdrop = both(colors.backdrop), one = both(change[0]), two = both(change[1]),
                  three = both(change[2]);
    for (int y = 0; y < 8; y += 2, out += 2 * Picture::kStride) {
        const __m128i first = masks(pattern[y], pattern[y + 1]);
        const __m128i second = masks(pattern[y + 8], pattern[y + 9]);
        const __m128i changed = _mm_xor_si128(_mm_and_si128(first, one), _mm_and_si128(second, two));
        const __m128i both_bits = _mm_and_si128(_mm_and_si128(first, second), three);
        const __m128i pixels = _mm_xor_si128(_mm_xor_si128(backdrop, changed), both_bits);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out), pixels);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(out + Picture::kStride), _mm_srli_si128(pixels, 8));
    }
#else
    for (int y = 0; y < 8; ++y)
        store8(out + y * Picture::kStride, colors.row(pattern[y], pattern[y + 8], attribute));
#endif
}

}  // namespace

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

void Ppu::draw_line(int line, int from, int to) {
    if (deferred_)
        draw_tiles(line, 1);
    else
        show_background(line, from, to);
    show_sprites(line, from, to);
}

void Ppu::show_background(int line, int from, int to) {
    if (!mixed_) mix_colors();
    uint8_t* const row = picture_->row(line);
    picture_->emphasis[line] = state_.mask >> 5;
    if (!rendering() || !(state_.mask & kShowBackground)) {
        // With rendering off, a palette address in v shows that color (NESdev wiki, "PPU palettes").
        const int index = !rendering() && (state_.v & 0x3F00) == 0x3F00 ? state_.v & 0x1F : 0;
        std::memset(row + from, static_cast<uint8_t>(color_[index]), static_cast<size_t>(to - from));
        return;
    }
    // Tile `slot` begins fine_x pixels to the left of where it would without scrolling.
    uint8_t pixels[34 * 8];
    for (int slot = 0; slot < 34; ++slot)
        store8(pixels + 8 * slot, colors_.row(tile_low_[slot], tile_high_[slot], tile_attribute_[slot]));
    std::memcpy(row + from, pixels + state_.fine_x + from, static_cast<size_t>(to - from));
    if (from < 8 && !(state_.mask & kBackgroundLeft))
        std::memset(row + from, static_cast<uint8_t>(colors_.backdrop),
                    static_cast<size_t>(std::min(to, 8) - from));
}

/// Draws the background of whole lines that cross the same row of tiles; `line`, the first, is deferred.
void Ppu::draw_tiles(int line, int lines) {
    if (!mixed_) mix_colors();
    const TileColors colors = colors_;  // a copy that the pixels written below cannot be taken to change
    uint8_t* const rows = picture_->row(line);
    std::memset(picture_->emphasis + line, state_.mask >> 5, static_cast<size_t>(lines));
    if (!(state_.mask & kShowBackground)) {
        for (int y = 0; y < lines; ++y)
            std::memset(rows + y * Picture::kStride, static_cast<uint8_t>(colors.backdrop), kWidth);
        return;
    }
    const int row = line_v_ >> 5 & 0x1F, fine_y = line_v_ >> 12 & 7;
    const uint8_t* const patterns = patterns_ + (state_.control & kBackgroundTable) * 0x100 + fine_y;
    const int attribute_row = 0x3C0 | (row & 0x1C) << 1, attribute_shift = (row & 2) << 1;
    int column = line_v_ & 0x1F;
    const uint8_t* table = name_cell(line_v_ & 0x0C00);
    for (uint8_t *out = rows - state_.fine_x, *end = out + 33 * 8; out != end; out += 8) {
        const uint8_t* pattern = patterns + 16 * table[row << 5 | column];
        const int attribute = table[attribute_row | column >> 2] >> (attribute_shift | (column & 2)) & 3;
        if (lines == 8)
            draw_tile(pattern, colors, attribute, out);
        else
            for (int y = 0; y < lines; ++y)
                store8(out + y * Picture::kStride, colors.row(pattern[y], pattern[y + 8], attribute));
        if (++column == 32) {
            column = 0;
            table = name_cell((line_v_ & 0x0C00) ^ 0x0400);
        }
    }
    if (!(state_.mask & kBackgroundLeft))
        for (int y = 0; y < lines; ++y)
            std::memset(rows + y * Picture::kStride, static_cast<uint8_t>(colors.backdrop), 8);
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

void Ppu::show_sprites(int line, int from, int to) {
    if (!sprite_count_ || !(state_.mask & kShowSprites)) return;
    uint8_t* const row = picture_->row(line);
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
