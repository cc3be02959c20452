#include "ppu.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace nes {
namespace {

constexpr uint8_t kBlank = 0x80, kHit = 0x40, kOverflowFlag = 0x20;
constexpr uint8_t kNmiEnabled = 0x80, kTallSprites = 0x20, kBackgroundTable = 0x10, kSpriteTable = 0x08;
constexpr uint8_t kStepDown = 0x04;
constexpr uint8_t kShowSprites = 0x10, kShowBackground = 0x08, kSpritesLeft = 0x04, kBackgroundLeft = 0x02;
constexpr uint8_t kGrayscale = 0x01;
constexpr uint8_t kBehind = 0x20, kFlipAcross = 0x40, kFlipDown = 0x80;

constexpr std::array<uint8_t, 256> make_mirrored() {
    std::array<uint8_t, 256> table{};
    for (int bits = 0; bits < 256; ++bits)
        for (int i = 0; i < 8; ++i)
            if (bits & (1 << i)) table[static_cast<size_t>(bits)] |= static_cast<uint8_t>(0x80 >> i);
    return table;
}
constexpr std::array<uint8_t, 256> kMirrored = make_mirrored();

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

}  // namespace

Ppu::Ppu(const Cartridge& cartridge, PpuState& state, uint8_t* pattern_ram)
    : cartridge_(cartridge),
      state_(state),
      pattern_ram_(pattern_ram),
      patterns_(pattern_ram ? pattern_ram : cartridge.patterns.data()) {}

void Ppu::forget() {
    counted_ = listed_ = mixed_ = false;
    background_.forget();
    tiles_wanted_ = kNoTiles;
    has_sprite_zero_ = deferred_ = false;
    sprite_count_ = 0;
}

void Ppu::begin_frame(Draw draw, Picture* picture) {
    if (draw != draw_) mixed_ = false;
    draw_ = draw;
    picture_ = picture;
    tiles_wanted_ = kNoTiles;
    has_sprite_zero_ = deferred_ = false;
    sprite_count_ = 0;
}

void Ppu::end_frame() {
    state_.position -= frame_length();
    state_.nmi_time = state_.nmi ? std::max(state_.nmi_time - frame_length(), -kDotsPerLine) : 0;
    state_.odd ^= 1;
    state_.skipped = 0;
    state_.blank_pending = 1;
}

// ---- Time --------------------------------------------------------------------------------------------

void Ppu::catch_up(int32_t dot) {
    const int32_t end = dot + 1;
    if (state_.position >= end) return;
    if (state_.position < kPreRender) {
        if (end <= kPreRender) {
            state_.position = end;
            return;
        }
        state_.position = kPreRender;
    }
    if (state_.position < first_line()) {
        if (state_.position == kPreRender)
            state_.status &= static_cast<uint8_t>(~(kBlank | kHit | kOverflowFlag));
        const int from = state_.position - kPreRender + 1;
        int to = std::min(end - kPreRender + 1, kDotsPerLine);
        if (to == kDotsPerLine && state_.odd && rendering()) {
            // NESdev wiki, "PPU frame timing": with rendering on, odd frames go from dot 339 to line 0.
            state_.skipped = 1;
            to = kDotsPerLine - 1;
        }
        if (from < to) advance(-1, from, to);
        state_.position = std::min(end, first_line());
        if (state_.position >= end) return;
    }
    const int32_t last = first_line() + kHeight * kDotsPerLine;
    if (state_.position < last) {
        lines(std::min(end, last));
        if (state_.position >= end) return;
    }
    state_.position = end;
    if (state_.blank_pending && end > frame_length()) {
        state_.blank_pending = 0;
        state_.status |= kBlank;
        if (state_.control & kNmiEnabled) {
            state_.nmi = 1;
            state_.nmi_time = frame_length();
        }
    }
}

/// Processes visible lines up to `end`, exclusive, in lines as whole as the clock allows.
void Ppu::lines(int32_t end) {
    const int32_t start = first_line();
    while (state_.position < end) {
        const int line = (state_.position - start) / kDotsPerLine;
        const int dot = (state_.position - start) % kDotsPerLine;
        const int end_line = (end - start) / kDotsPerLine;
        if (dot == 0 && line < end_line && tiles_wanted_.none() && draw_ == Draw::kNothing) {
            // Nothing on these lines shows, hits or overflows: all that remains is the scroll counters.
            const int to = rendering() ? std::min(next_line_to_watch(line), end_line) : end_line;
            if (to > line) {
                if (rendering()) {
                    step_y(to - line);
                    copy_x();
                    step_x(2);
                    state_.sprite_address = 0;
                }
                sprite_count_ = 0;
                has_sprite_zero_ = false;
                state_.position = start + to * kDotsPerLine;
                continue;
            }
        }
        const int to = std::min<int32_t>(end - start - line * kDotsPerLine, kDotsPerLine);
        advance(line, dot, to);
        state_.position = start + line * kDotsPerLine + to;
    }
}

/// Processes the dots [from, to) of one line, -1 being the line before the picture. No register changes
/// within. NESdev wiki, "PPU rendering", has the table of what happens at which dot.
void Ppu::advance(int line, int from, int to) {
    const bool on = rendering();
    // Tile `slot` of this line is complete at dot 8 * slot - 8; the first two came with the line before.
    const int first_slot = from <= 8 ? 2 : (from - 1) / 8 + 2;
    const int last_slot = std::min((to - 1) / 8 + 1, 33);
    if (first_slot <= last_slot) {
        if (line >= 0)
            fetch_tiles(first_slot, last_slot);
        else if (on)
            step_x(last_slot - first_slot + 1);
    }
    if (line >= 0) {
        const int left = std::max(from - 1, 0), right = std::min(to - 1, kWidth);
        if (left < right) {
            if (has_sprite_zero_ && !(state_.status & kHit)) test_hit(left, right);
            if (deferred_ ? right == kWidth : draw_ != Draw::kNothing)
                draw_line(line, deferred_ ? 0 : left, right);
        }
        if (on && !(state_.status & kOverflowFlag)) test_overflow(line, from, to);
    }
    if (from <= 256 && to > 256 && on) step_y();
    if (from <= 257 && to > 257) {
        if (on) copy_x();
        choose_sprites(line + 1);
    }
    if (line < 0 && on && from <= 304 && to > 280) copy_y();
    if (from <= 321 && to > 321 && draw_ != Draw::kNothing) defer_line(line + 1);
    if (from <= 328 && to > 328) fetch_tiles(0, 0);
    if (from <= 336 && to > 336) fetch_tiles(1, 1);
}

/// Moves `tiles` (at most 32) to the right, on into the neighboring name table.
void Ppu::step_x(int tiles) {
    const int column = (state_.v & 0x1F) + tiles;
    state_.v = static_cast<uint16_t>(((state_.v & ~0x1F) | (column & 0x1F)) ^ (column & 0x20) << 5);
}

void Ppu::step_y() {
    uint16_t& v = state_.v;
    if ((v & 0x7000) != 0x7000) {
        v = static_cast<uint16_t>(v + 0x1000);
        return;
    }
    int row = v >> 5 & 0x1F;
    v &= 0x0C1F;
    if (row == 29) {
        row = 0;
        v ^= 0x800;
    } else {
        row = (row + 1) & 0x1F;  // from row 31, in the attributes, back to 0 in the same table
    }
    v = static_cast<uint16_t>(v | row << 5);
}

void Ppu::step_y(int lines) {
    while (lines > 0) {
        const int row = state_.v >> 5 & 0x1F, fine = state_.v >> 12;
        const int ahead = row < 30 ? 239 - (row * 8 + fine) : 255 - (row * 8 + fine);
        const int jump = std::min(lines, ahead);
        const int y = row * 8 + fine + jump;
        state_.v = static_cast<uint16_t>((state_.v & 0x0C1F) | (y & 7) << 12 | y >> 3 << 5);
        lines -= jump;
        if (lines > 0) {
            step_y();
            --lines;
        }
    }
}

void Ppu::copy_x() {
    state_.v = static_cast<uint16_t>((state_.v & ~0x041F) | (state_.t & 0x041F));
}
void Ppu::copy_y() {
    state_.v = static_cast<uint16_t>((state_.v & ~0x7BE0) | (state_.t & 0x7BE0));
}

// ---- Background --------------------------------------------------------------------------------------

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

// ---- Sprites -----------------------------------------------------------------------------------------

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
        has_sprite_zero_ = true;
        line_sprites_[0] = fetch_sprite(0, line);
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

void Ppu::count_sprites() {
    const int height = state_.control & kTallSprites ? 16 : 8;
    if (counted_ && sprite_height_counted_ == height) return;
    std::memset(count_, 0, sizeof count_);
    crowded_ = false;
    for (int i = 0; i < 64; ++i) {
        const int y = state_.sprites[4 * i];
        if (y >= kHeight) continue;
        for (int row = 0; row < height; row += 8) {
            uint8_t* rows = count_ + y + row;
            store8(rows, load8(rows) + 0x0101010101010101u);
        }
    }
    for (int y = 0; y < kHeight; ++y) crowded_ |= count_[y] >= 8;
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
        const int y = state_.sprites[0], height = state_.control & kTallSprites ? 16 : 8;
        if (line < y + height) next = std::min(std::max(line, y), kHeight);
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
    int dot = 65, found = 0, index = 0;
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

// ---- Memory and registers ----------------------------------------------------------------------------

uint8_t* Ppu::name_cell(uint16_t address) const {
    // Vertical mirroring ignores address bit 11, horizontal bit 10 (NESdev wiki, "Mirroring").
    const int table = cartridge_.vertical_mirroring ? address & 0x400 : address >> 1 & 0x400;
    return state_.name_tables + (table | (address & 0x3FF));
}

uint8_t Ppu::peek(uint16_t address) const {
    address &= 0x3FFF;
    return address < 0x2000 ? patterns_[address] : *name_cell(address);
}

void Ppu::poke(uint16_t address, uint8_t value) {
    address &= 0x3FFF;
    if (address < 0x2000) {
        if (!pattern_ram_) return;
        pattern_ram_[address] = value;
        background_.forget();
    } else if (address < 0x3F00) {
        uint8_t* cell = name_cell(address);
        *cell = value;
        background_.written(static_cast<uint16_t>(cell - state_.name_tables));
    } else {
        // $3F10, $3F14, $3F18 and $3F1C are $3F00, $3F04, $3F08 and $3F0C (NESdev wiki, "PPU palettes").
        state_.palette[(address & 0x13) == 0x10 ? address & 0x0F : address & 0x1F] = value & 0x3F;
        mixed_ = false;
    }
}

bool Ppu::fetching(int32_t dot) const {
    return rendering() && dot >= kPreRender && dot < first_line() + kHeight * kDotsPerLine;
}

void Ppu::step_address(int32_t dot) {
    if (fetching(dot)) {
        step_x(1);  // NESdev wiki, "PPU scrolling": an access while rendering moves both counters
        step_y();
    } else {
        state_.v = static_cast<uint16_t>((state_.v + (state_.control & kStepDown ? 32 : 1)) & 0x7FFF);
    }
}

uint8_t Ppu::read(int reg, int32_t dot) {
    catch_up(dot);
    switch (reg) {
        case 2: {
            state_.bus =
                static_cast<uint8_t>((state_.status & (kBlank | kHit | kOverflowFlag)) | (state_.bus & 0x1F));
            state_.status &= static_cast<uint8_t>(~kBlank);
            state_.second_write = 0;
            // NESdev wiki, "PPU frame timing": a read one dot before vertical blank keeps the flag and the
            // NMI from coming; at the same dot or the next it reads as set but the NMI still does not come.
            const int32_t late = dot - frame_length();
            if (late == -1) state_.blank_pending = 0;
            if (late == 0 || late == 1) state_.nmi = 0;
            break;
        }
        case 4:
            state_.bus = state_.sprites[state_.sprite_address];
            if ((state_.sprite_address & 3) == 2) state_.bus &= 0xE3;  // three bits that do not exist
            break;
        case 7: {
            stop_deferring();
            const uint16_t address = state_.v & 0x3FFF;
            if (address >= 0x3F00) {
                const uint8_t color =
                    state_.palette[(address & 0x13) == 0x10 ? address & 0x0F : address & 0x1F];
                state_.bus = static_cast<uint8_t>((state_.bus & 0xC0) |
                                                  (color & (state_.mask & kGrayscale ? 0x30 : 0x3F)));
            } else {
                state_.bus = state_.read_buffer;
            }
            state_.read_buffer = peek(address);
            step_address(dot);
            break;
        }
        default:
            break;  // write-only: what was last on the bus
    }
    return state_.bus;
}

void Ppu::write(int reg, uint8_t value, int32_t dot) {
    catch_up(dot);
    if (reg != 3 && reg != 4) stop_deferring();
    state_.bus = value;
    switch (reg) {
        case 0: {
            const bool was = state_.control & kNmiEnabled, is = value & kNmiEnabled;
            state_.control = value;
            state_.t = static_cast<uint16_t>((state_.t & ~0x0C00) | (value & 3) << 10);
            if (!was && is && state_.status & kBlank) {
                state_.nmi = 1;
                state_.nmi_time = dot;
            }
            if (was && !is && state_.nmi && dot - state_.nmi_time <= 1) state_.nmi = 0;
            break;
        }
        case 1:
            if ((state_.mask ^ value) & (0xE0 | kGrayscale)) mixed_ = false;
            state_.mask = value;
            break;
        case 3:
            state_.sprite_address = value;
            break;
        case 4:
            if (fetching(
                    dot))  // a write while rendering changes nothing but the address (NESdev wiki, "PPU OAM")
                state_.sprite_address = static_cast<uint8_t>(state_.sprite_address + 4);
            else
                store_sprite_byte(value);
            break;
        case 5:
            if (!state_.second_write) {
                state_.fine_x = value & 7;
                state_.t = static_cast<uint16_t>((state_.t & ~0x001F) | value >> 3);
            } else {
                state_.t =
                    static_cast<uint16_t>((state_.t & ~0x73E0) | (value & 7) << 12 | (value & 0xF8) << 2);
            }
            state_.second_write ^= 1;
            break;
        case 6:
            if (!state_.second_write) {
                state_.t = static_cast<uint16_t>((state_.t & 0x00FF) | (value & 0x3F) << 8);
            } else {
                state_.t = static_cast<uint16_t>((state_.t & 0x7F00) | value);
                state_.v = state_.t;
            }
            state_.second_write ^= 1;
            break;
        case 7:
            poke(state_.v, value);
            step_address(dot);
            break;
        default:
            break;
    }
}

void Ppu::store_sprite_byte(uint8_t value) {
    state_.sprites[state_.sprite_address++] = value;
    counted_ = listed_ = false;
}

void Ppu::store_sprites(const uint8_t (&bytes)[0x100]) {
    const size_t first = 0x100u - state_.sprite_address;
    std::memcpy(state_.sprites + state_.sprite_address, bytes, first);
    std::memcpy(state_.sprites, bytes + first, 0x100 - first);
    counted_ = listed_ = false;
}

}  // namespace nes
