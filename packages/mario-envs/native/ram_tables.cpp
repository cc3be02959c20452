#include "ram_tables.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "machine.hpp"

namespace nes {
namespace {

void demand(bool ok, const char* what) {
    if (!ok) throw std::invalid_argument(what);
}

bool in_ram(int32_t address) {
    return address >= 0 && address < kRamSize;
}

/// The high byte, where there is one, is signed.
int32_t word(const uint8_t* ram, int32_t low, int32_t high) {
    return ram[low] + (high == RamCells::kNone ? 0 : 256 * static_cast<int8_t>(ram[high]));
}

/// Rounds down, also below zero.
int32_t cell_of(int32_t pixel, int32_t size) {
    return (pixel >= 0 ? pixel : pixel - size + 1) / size;
}

}  // namespace

RamValues::RamValues(std::vector<Value> values) : values_(std::move(values)) {
    for (const Value& value : values_)
        for (const Byte& byte : value.bytes) demand(in_ram(byte.address), "work RAM addresses are 0 to 2047");
}

void RamValues::read(const uint8_t* ram, size_t consoles, int64_t* out) const {
    for (const Value& value : values_) {
        for (const Byte& byte : value.bytes) {
            const uint8_t* from = ram + byte.address;
            const bool is_signed = value.is_signed && &byte == &value.bytes.back();
            for (size_t i = 0; i < consoles; ++i, from += kRamSize)
                out[i] += byte.weight * (is_signed ? static_cast<int8_t>(*from) : *from);
        }
        out += consoles;
    }
}

RamCells::RamCells(Layout layout) : layout_(std::move(layout)) {
    const Layout& of = layout_;
    demand(of.channels >= 1 && of.rows >= 1 && of.columns >= 1 && of.cell >= 1, "a grid has no size of 0");
    cells_ = static_cast<size_t>(of.rows) * static_cast<size_t>(of.columns);
    demand(!of.tiles.empty() && of.tiles.size() % cells_ == 0, "tiles must be [rounds, rows, columns]");
    rounds_ = of.tiles.size() / cells_;
    demand(std::all_of(of.tiles.begin(), of.tiles.end(), in_ram), "work RAM addresses are 0 to 2047");
    const auto is_channel = [&of](int32_t channel) { return channel >= kNone && channel < of.channels; };
    for (const auto* table : {&of.channel_of_tile, &of.channel_of_kind})
        demand(table->size() == 256 && std::all_of(table->begin(), table->end(), is_channel),
               "a byte has 256 values, each with a channel or none");
    for (const Thing& thing : of.things) {
        demand(is_channel(thing.channel), "a thing has a channel or none");
        demand(in_ram(thing.state) && in_ram(thing.x_low) && in_ram(thing.y_low),
               "work RAM addresses are 0 to 2047");
        for (const int32_t address : {thing.kind, thing.x_high, thing.y_high})
            demand(address == kNone || in_ram(address), "work RAM addresses are 0 to 2047");
    }
}

void RamCells::draw(const uint8_t* ram, const int64_t* left, size_t consoles, int8_t* out) const {
    const size_t size = cells_ * static_cast<size_t>(layout_.channels);
    for (size_t i = 0; i < consoles; ++i) draw_one(ram + i * kRamSize, left[i], out + i * size);
}

void RamCells::draw_one(const uint8_t* ram, int64_t left, int8_t* out) const {
    const auto rounds = static_cast<int64_t>(rounds_);
    const auto round = static_cast<size_t>((left % rounds + rounds) % rounds);
    const int32_t* tiles = layout_.tiles.data() + round * cells_;
    const int32_t* channel_of_tile = layout_.channel_of_tile.data();
    for (size_t i = 0; i < cells_; ++i) {
        const int32_t channel = channel_of_tile[ram[tiles[i]]];
        if (channel != kNone) out[static_cast<size_t>(channel) * cells_ + i] = 1;
    }
    for (const Thing& thing : layout_.things) {
        if (ram[thing.state] < thing.least) continue;
        const int32_t channel =
            thing.kind == kNone ? thing.channel : layout_.channel_of_kind[ram[thing.kind]];
        if (channel == kNone) continue;
        const int64_t column = cell_of(word(ram, thing.x_low, thing.x_high) + thing.dx, layout_.cell) - left;
        const int32_t row = cell_of(word(ram, thing.y_low, thing.y_high) + thing.dy, layout_.cell);
        if (column < 0 || column >= layout_.columns || row < 0 || row >= layout_.rows) continue;
        out[static_cast<size_t>(channel) * cells_ + static_cast<size_t>(row * layout_.columns + column)] = 1;
    }
}

}  // namespace nes
