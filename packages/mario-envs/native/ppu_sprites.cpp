// Which sprites are on a line, and what the program can read of it: sprite 0 hit and overflow.

#include <algorithm>
#include <array>
#include <cstring>

#include "ppu.hpp"
#include "ppu_bits.hpp"

namespace nes {
namespace {

constexpr std::array<uint8_t, 256> make_mirrored() {
    std::array<uint8_t, 256> table{};
    for (int bits = 0; bits < 256; ++bits)
        for (int i = 0; i < 8; ++i)
            if (bits & (1 << i)) table[static_cast<size_t>(bits)] |= static_cast<uint8_t>(0x80 >> i);
    return table;
}
constexpr std::array<uint8_t, 256> kMirrored = make_mirrored();

}  // namespace

Ppu::Sprite Ppu::fetch_sprite(int index, int line) const {
    const uint8_t* entry = state_.sprites + 4 * index;
    int row = (line - 1 - entry[0]) & 0x0F;
    uint16_t pattern;
    if (state_.control & kTallSprites) {
        if (entry[2] & kFlipDown) row ^= 15;
        pattern =
            static_cast<uint16_t>((entry[1] & 1) << 12 | (entry[1] & 0xFE) << 4 | (row & 8) << 1 | (row & 7));
    } else {
        row &= 7;
        if (entry[2] & kFlipDown) row ^= 7;
        pattern = static_cast<uint16_t>((state_.control & kSpriteTable) << 9 | entry[1] << 4 | row);
    }
    uint8_t low = patterns_[pattern], high = patterns_[pattern + 8];
    if (entry[2] & kFlipAcross) {
        low = kMirrored[low];
        high = kMirrored[high];
    }
    return {entry[3], low, high, entry[2]};
}

/// The tiles that sprite 0 may touch on the coming line, wherever scrolling puts them.
Ppu::Tiles Ppu::tiles_to_hit() const {
    if (!has_sprite_zero_ || state_.status & kHit) return kNoTiles;
    const int slot = line_sprites_[0].x / 8;
    return {slot, std::min(slot + 2, 33)};
}

/// Chooses the sprites of the coming line, at dot 257 of the line before; `line` is the coming one.
void Ppu::choose_sprites(int line) {
    sprite_count_ = 0;
    has_sprite_zero_ = false;
    tiles_wanted_ = draw_ != Draw::kNothing ? kAllTiles : kNoTiles;
    if (!rendering()) return;
    state_.sprite_address = 0;
    if (line < 1 || line >= kHeight) return;  // nothing is chosen for line 0: it has no line before it
    const int height = state_.control & kTallSprites ? 16 : 8;
    const int above = line - 1 - state_.sprites[0];
    if (above >= 0 && above < height) {
        line_sprites_[0] = fetch_sprite(0, line);
        has_sprite_zero_ = line_sprites_[0].low | line_sprites_[0].high;
        if (draw_ == Draw::kNothing) tiles_wanted_ = tiles_to_hit();
    }
    if (draw_ == Draw::kNothing) return;
    list_sprites();
    sprite_count_ = listed_count_[line - 1];
    for (int i = 0; i < sprite_count_; ++i) line_sprites_[i] = fetch_sprite(list_[line - 1][i], line);
}

void Ppu::test_hit(int from, int to) {
    if ((state_.mask & (kShowBackground | kShowSprites)) != (kShowBackground | kShowSprites)) return;
    if (!(state_.mask & kBackgroundLeft) || !(state_.mask & kSpritesLeft)) from = std::max(from, 8);
    to = std::min(to, 255);  // never in the last column (NESdev wiki, "PPU OAM")
    const Sprite& sprite = line_sprites_[0];
    uint8_t bits = static_cast<uint8_t>((sprite.low | sprite.high) & window(sprite.x, from, to));
    if (!bits) return;
    const int at = sprite.x + state_.fine_x, slot = at / 8;
    const int background = (tile_low_[slot] | tile_high_[slot]) << 8 |
                           (slot < 33 ? tile_low_[slot + 1] | tile_high_[slot + 1] : 0);
    if (bits & background << (at & 7) >> 8) state_.status |= kHit;
}

void Ppu::count_sprites() {
    const int height = state_.control & kTallSprites ? 16 : 8;
    if (counted_ && sprite_height_counted_ == height) return;
    std::memset(count_, 0, sizeof count_);
    uint64_t all = 0;
    for (int i = 0; i < 64; ++i) {
        const int y = state_.sprites[4 * i];
        if (y >= kHeight) continue;
        for (int row = 0; row < height; row += 8) {
            uint8_t* rows = count_ + y + row;
            const uint64_t counts = load8(rows) + 0x0101010101010101u;
            store8(rows, counts);
            all |= counts;
        }
    }
    crowded_ = all & 0xF8F8F8F8F8F8F8F8u;  // eight or more on some line
    counted_ = true;
    sprite_height_counted_ = height;
}

void Ppu::list_sprites() {
    const int height = state_.control & kTallSprites ? 16 : 8;
    if (listed_ && sprite_height_listed_ == height) return;
    std::memset(listed_count_, 0, sizeof listed_count_);
    for (int i = 0; i < 64; ++i) {
        const int y = state_.sprites[4 * i];
        for (int line = y; line < std::min(y + height, kHeight); ++line)
            if (listed_count_[line] < 8) list_[line][listed_count_[line]++] = static_cast<uint8_t>(i);
    }
    listed_ = true;
    sprite_height_listed_ = height;
}

/// The first line from `line` on in which sprite evaluation may find sprite 0 or set the overflow flag.
int Ppu::next_line_to_watch(int line) {
    int next = kHeight;
    if (!(state_.status & kHit)) {
        const int y = state_.sprites[0], end = y + (state_.control & kTallSprites ? 16 : 8);
        for (int i = std::max(line, y); i < std::min(end, kHeight); ++i) {
            const Sprite row = fetch_sprite(0, i + 1);
            if (!(row.low | row.high)) continue;
            next = i;
            break;
        }
    }
    if (!(state_.status & kOverflowFlag)) {
        count_sprites();
        if (crowded_)
            for (int i = line; i < next; ++i)
                if (count_[i] >= 8) next = i;
    }
    return next;
}

void Ppu::test_overflow(int line, int from, int to) {
    count_sprites();
    if (!crowded_ || count_[line] < 8 || from > 256 || to <= 65) return;
    // NESdev wiki, "PPU sprite evaluation": after eight sprites are found the search goes on, but moves on
    // to the next byte along with the next sprite, and so takes any byte for a Y coordinate.
    const int height = state_.control & kTallSprites ? 16 : 8;
    // A byte is read in an odd dot and judged in the even one after it.
    int dot = 66, found = 0, index = 0;
    for (; index < 64 && found < 8; ++index) {
        const int above = line - state_.sprites[4 * index];
        const bool inside = above >= 0 && above < height;
        found += inside;
        dot += inside ? 8 : 2;
    }
    for (int byte = 0; index < 64; ++index, byte = (byte + 1) & 3, dot += 2) {
        const int above = line - state_.sprites[4 * index + byte];
        if (above >= 0 && above < height) {
            if (dot >= from && dot < to) state_.status |= kOverflowFlag;
            return;
        }
    }
}

int32_t Ppu::status_steady_until(int32_t dot) {
    const uint8_t last_read = state_.status;
    catch_up(dot);
    if (state_.status != last_read) return dot;
    if (dot < kPreRender) return kPreRender;
    const int32_t blank = kLongFrame - 3;  // a read just before vertical blank has effects of its own
    if (dot < first_line()) return first_line() - 3;
    const int line = (dot - first_line()) / kDotsPerLine;
    if (line >= kHeight || !rendering()) return blank;
    const int watch = next_line_to_watch(line);
    const bool hit_possible = has_sprite_zero_ && !(state_.status & kHit);
    if (watch > line && !hit_possible) return first_line() + watch * kDotsPerLine;
    if (!(state_.status & kOverflowFlag) && count_[line] >= 8) return dot;
    const int32_t next_line = first_line() + (line + 1) * kDotsPerLine;
    if (!hit_possible) return next_line;
    const int32_t pixel = first_line() + line * kDotsPerLine + line_sprites_[0].x;
    if (dot < pixel) return pixel;
    if (dot > pixel + 8) return next_line;
    return dot;
}

}  // namespace nes
