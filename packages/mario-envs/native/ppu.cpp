#include "ppu.hpp"

#include <algorithm>
#include <cstring>

#include "ppu_bits.hpp"

namespace nes {

Ppu::Ppu(const Cartridge& cartridge, PpuState& state, uint8_t* pattern_ram)
    : cartridge_(cartridge),
      state_(state),
      pattern_ram_(pattern_ram),
      patterns_(pattern_ram ? pattern_ram : cartridge.patterns.data()) {}

void Ppu::forget() {
    counted_ = listed_ = mixed_ = false;
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
        if (dot == 0 && line < end_line && tiles_wanted_.none() && (draw_ == Draw::kNothing || deferred_)) {
            // Nothing on these lines hits or overflows: what remains is to draw them, and the scroll
            // counters.
            const int to = rendering() ? std::min(next_line_to_watch(line), end_line) : end_line;
            if (to > line) {
                state_.position = start + whole_lines(line, to) * kDotsPerLine;
                continue;
            }
        }
        const int to = std::min<int32_t>(end - start - line * kDotsPerLine, kDotsPerLine);
        advance(line, dot, to);
        state_.position = start + line * kDotsPerLine + to;
    }
}

/// Processes lines from `line` up to `to`, exclusive, in which no register changes and the program could see
/// nothing change. Returns the line that comes next, which is less than `to` where one cannot be drawn whole.
int Ppu::whole_lines(int line, int to) {
    if (!rendering()) {
        sprite_count_ = 0;
        has_sprite_zero_ = false;
        return to;
    }
    if (draw_ == Draw::kNothing) {
        step_y(to - line);
        line = to;
        sprite_count_ = 0;
        has_sprite_zero_ = false;
    }
    while (line < to && deferred_) {
        const int band = std::min(line + 8 - (line_v_ >> 12), to);
        draw_tiles(line, band - line);
        while (line < band) {
            show_sprites(line, 0, kWidth);
            step_y();
            copy_x();
            choose_sprites(++line);
            defer_line(line);
        }
    }
    copy_x();
    fetch_tiles(0, 1);
    state_.sprite_address = 0;
    return line;
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
        if (pattern_ram_) pattern_ram_[address] = value;
    } else if (address < 0x3F00) {
        *name_cell(address) = value;
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
