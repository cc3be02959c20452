#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "batch.hpp"
#include "cartridge.hpp"
#include "cpu.hpp"
#include "ram_tables.hpp"
#include "state.hpp"

// The Python face of the batch, one to one; mario_envs.emulators.native checks arguments and gives defaults.
// Arrays are written in place and the GIL is released wherever consoles run.

namespace nb = nanobind;
using namespace nb::literals;

namespace {

template <class T, class... Shape>
using Array = nb::ndarray<T, nb::numpy, nb::c_contig, nb::device::cpu, Shape...>;
using Lanes = Array<const int64_t, nb::ndim<1>>;
using Frames = Array<const int32_t, nb::ndim<1>>;
using Holds = Array<const int32_t, nb::shape<-1, nes::Request::kButtons>>;
using Stops = Array<const int32_t, nb::shape<-1, 3>>;
using Keep = Array<const int32_t, nb::ndim<2>>;
using Pictures = Array<uint8_t, nb::ndim<4>>;

std::shared_ptr<const nes::Cartridge> cartridge_of(nb::bytes rom) {
    return std::make_shared<const nes::Cartridge>(static_cast<const uint8_t*>(rom.data()), rom.size());
}

void demand(bool ok, const char* what) {
    if (!ok) throw std::invalid_argument(what);
}

class Batch {
  public:
    Batch(nb::bytes rom, int lanes, int threads, bool skip_idle)
        : batch_(cartridge_of(rom), lanes, threads, skip_idle) {}

    int lanes() const { return batch_.lanes(); }
    int threads() const { return batch_.threads(); }

    void run(Lanes lanes, Frames frames, Holds holds, Holds released, Stops stops, std::optional<Keep> keep,
             std::optional<Pictures> pictures, Array<int32_t, nb::ndim<1>> ran) {
        nes::Request request = make_request(lanes, frames, holds, released, stops, keep, pictures);
        demand(ran.shape(0) == lanes.shape(0), "ran needs one entry per lane");
        request.ran = ran.data();
        nb::gil_scoped_release release;
        batch_.run(request);
    }

    void send(Lanes lanes, Frames frames, Holds holds, Holds released, Stops stops, std::optional<Keep> keep,
              std::optional<Pictures> pictures) {
        batch_.send(make_request(lanes, frames, holds, released, stops, keep, pictures));
        if (!pictures) return;
        const nb::object owner = nb::cast(*pictures);
        for (size_t i = 0; i < lanes.shape(0); ++i) in_flight_[lanes.data()[i]] = owner;
    }

    std::vector<std::pair<int64_t, int32_t>> receive(int least) {
        std::vector<std::pair<int64_t, int32_t>> done;
        {
            nb::gil_scoped_release release;
            done = batch_.receive(least);
        }
        for (const auto& lane : done) in_flight_.erase(lane.first);
        return done;
    }

    void power_on(int64_t lane) { batch_.machine(lane).power_on(); }

    void press(int64_t lane, int buttons, int frames) {
        demand(buttons >= 0 && buttons < 256, "buttons is a byte");
        nes::Machine& machine = batch_.machine(lane);
        nb::gil_scoped_release release;
        for (int i = 0; i < frames; ++i) machine.run_frame(static_cast<nes::Buttons>(buttons));
    }

    void ram(Lanes lanes, Array<uint8_t, nb::shape<-1, nes::kRamSize>> out) {
        demand(out.shape(0) == lanes.shape(0), "out needs one row per lane");
        for (size_t i = 0; i < lanes.shape(0); ++i)
            std::memcpy(out.data() + i * nes::kRamSize, batch_.machine(lanes.data()[i]).ram(), nes::kRamSize);
    }

    void poke(int64_t lane, int address, int value) {
        demand(address >= 0 && address < nes::kRamSize, "work RAM addresses are 0 to 2047");
        demand(value >= 0 && value < 256, "a byte is 0 to 255");
        batch_.machine(lane).ram()[address] = static_cast<uint8_t>(value);
    }

    void screen(int64_t lane, Array<uint8_t, nb::shape<nes::kHeight, nes::kWidth, 3>> out) {
        uint8_t* to = out.data();
        if (const nes::Picture* picture = draw(lane, nes::Ppu::Draw::kIndex))
            nes::write_rgb(*picture, to);
        else
            std::memset(to, 0, out.nbytes());
    }

    void indexes(int64_t lane, Array<uint8_t, nb::shape<nes::kHeight, nes::kWidth>> out) {
        write_reduced(draw(lane, nes::Ppu::Draw::kIndex), out);
    }

    void gray(int64_t lane, Array<uint8_t, nb::ndim<2>> out) {
        write_reduced(draw(lane, nes::Ppu::Draw::kGray), out);
    }

    nb::bytes save(int64_t lane) {
        const std::vector<uint8_t> bytes = nes::save_state(batch_.machine(lane));
        return nb::bytes(bytes.data(), bytes.size());
    }

    void restore(int64_t lane, nb::bytes state) {
        nes::restore_state(batch_.machine(lane), static_cast<const uint8_t*>(state.data()), state.size());
    }

  private:
    static nes::Request make_request(const Lanes& lanes, const Frames& frames, const Holds& holds,
                                     const Holds& released, const Stops& stops,
                                     const std::optional<Keep>& keep,
                                     const std::optional<Pictures>& pictures) {
        nes::Request request;
        const size_t rows = lanes.shape(0);
        demand(frames.shape(0) == rows && holds.shape(0) == rows && released.shape(0) == rows,
               "the plan needs one row per lane");
        request.rows = static_cast<int>(rows);
        request.lanes = lanes.data();
        request.frames = frames.data();
        request.holds = holds.data();
        request.released = released.data();
        for (size_t i = 0; i < rows; ++i) demand(frames.data()[i] >= 1, "a run takes at least 1 frame");
        for (size_t i = 0; i < stops.shape(0); ++i) {
            const int32_t* stop = stops.data() + 3 * i;
            request.stops.push_back({stop[0], stop[1], stop[2]});
        }
        demand(keep.has_value() == pictures.has_value(), "keep and pictures belong together");
        if (!keep) return request;
        demand(keep->shape(0) == rows && pictures->shape(0) == rows && pictures->shape(1) == keep->shape(1),
               "pictures must be [lanes, kept, height, width] and keep [lanes, kept]");
        demand(pictures->shape(2) >= 1 && pictures->shape(2) <= nes::kHeight && pictures->shape(3) >= 1 &&
                   pictures->shape(3) <= nes::kWidth,
               "pictures are at most 240 high and 256 wide");
        request.kept = static_cast<int>(keep->shape(1));
        request.keep = keep->data();
        request.height = static_cast<int>(pictures->shape(2));
        request.width = static_cast<int>(pictures->shape(3));
        request.pictures = pictures->data();
        return request;
    }

    /// The picture of a lane's last frame, overwritten by the next call; null where no frame has run.
    const nes::Picture* draw(int64_t lane, nes::Ppu::Draw kind) {
        nes::Machine& machine = batch_.machine(lane);
        return machine.draw_again(kind, picture_.get()) ? picture_.get() : nullptr;
    }

    template <class Out>
    static void write_reduced(const nes::Picture* picture, Out& out) {
        const size_t height = out.shape(0), width = out.shape(1);
        demand(height >= 1 && height <= nes::kHeight && width >= 1 && width <= nes::kWidth,
               "pictures are at most 240 high and 256 wide");
        if (picture)
            nes::reduce(*picture, static_cast<int>(height), static_cast<int>(width), out.data());
        else
            std::memset(out.data(), 0, out.nbytes());
    }

    std::unique_ptr<nes::Picture> picture_ = std::make_unique<nes::Picture>();
    std::map<int64_t, nb::object> in_flight_;  // keeps pictures alive; outlives batch_, which may still write
    nes::Batch batch_;
};

using Ram = Array<const uint8_t, nb::shape<-1, nes::kRamSize>>;
using Bytes = std::vector<std::pair<int32_t, int64_t>>;

std::vector<nes::RamValues::Value> values_of(const std::vector<std::pair<bool, Bytes>>& table) {
    std::vector<nes::RamValues::Value> values;
    for (const auto& [is_signed, bytes] : table) {
        values.push_back({is_signed, {}});
        for (const auto& [address, weight] : bytes) values.back().bytes.push_back({address, weight});
    }
    return values;
}

void read_values(const nes::RamValues& values, Ram ram, Array<int64_t, nb::ndim<2>> out) {
    demand(out.shape(0) == values.size() && out.shape(1) == ram.shape(0), "out must be [values, lanes]");
    values.read(ram.data(), ram.shape(0), out.data());
}

std::vector<nes::RamCells::Thing> things_of(const std::vector<std::array<int32_t, 10>>& table) {
    std::vector<nes::RamCells::Thing> things;
    for (const auto& t : table)
        things.push_back({t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9]});
    return things;
}

void draw_cells(const nes::RamCells& cells, Ram ram, Array<const int64_t, nb::ndim<1>> left,
                Array<int8_t, nb::ndim<4>> out) {
    const nes::RamCells::Layout& layout = cells.layout();
    const size_t lanes = ram.shape(0);
    demand(left.shape(0) == lanes, "left needs one entry per lane");
    demand(out.shape(0) == lanes && out.shape(1) == static_cast<size_t>(layout.channels) &&
               out.shape(2) == static_cast<size_t>(layout.rows) &&
               out.shape(3) == static_cast<size_t>(layout.columns),
           "out must be [lanes, channels, rows, columns]");
    cells.draw(ram.data(), left.data(), lanes, out.data());
}

}  // namespace

NB_MODULE(_native, module) {
    // Tables that a Python module keeps live as long as the process, and are no leak.
    nb::set_leak_warnings(false);
    module.doc() = "The NES machine in C++; mario_envs.emulators.native is how to use it.";

    nb::class_<Batch>(module, "Batch", "Many consoles with the same cartridge, run by threads.")
        .def(nb::init<nb::bytes, int, int, bool>(), "rom"_a, "num_lanes"_a, "num_threads"_a = 0,
             "skip_idle"_a = true)
        .def_prop_ro("num_lanes", &Batch::lanes)
        .def_prop_ro("num_threads", &Batch::threads)
        .def("run", &Batch::run, "lanes"_a, "frames"_a, "holds"_a, "released"_a, "stops"_a, "keep"_a.none(),
             "pictures"_a.none(), "ran"_a)
        .def("send", &Batch::send, "lanes"_a, "frames"_a, "holds"_a, "released"_a, "stops"_a, "keep"_a.none(),
             "pictures"_a.none())
        .def("receive", &Batch::receive, "least"_a)
        .def("power_on", &Batch::power_on, "lane"_a)
        .def("press", &Batch::press, "lane"_a, "buttons"_a, "frames"_a)
        .def("ram", &Batch::ram, "lanes"_a, "out"_a)
        .def("poke", &Batch::poke, "lane"_a, "address"_a, "value"_a)
        .def("screen", &Batch::screen, "lane"_a, "out"_a)
        .def("gray", &Batch::gray, "lane"_a, "out"_a)
        .def("indexes", &Batch::indexes, "lane"_a, "out"_a)
        .def("save", &Batch::save, "lane"_a)
        .def("restore", &Batch::restore, "lane"_a, "state"_a);

    nb::class_<nes::RamValues>(module, "RamValues", "Numbers that lie in RAM byte by byte.")
        .def(
            "__init__",
            [](nes::RamValues* values, const std::vector<std::pair<bool, Bytes>>& table) {
                new (values) nes::RamValues(values_of(table));
            },
            "table"_a)
        .def("read", &read_values, "ram"_a, "out"_a);

    nb::class_<nes::RamCells>(module, "RamCells", "A grid of cells read from RAM by tables.")
        .def(
            "__init__",
            [](nes::RamCells* cells, int32_t channels, int32_t rows, int32_t columns, int32_t cell,
               std::vector<int32_t> tiles, std::vector<int32_t> channel_of_tile,
               std::vector<int32_t> channel_of_kind, const std::vector<std::array<int32_t, 10>>& things) {
                new (cells) nes::RamCells({channels, rows, columns, cell, std::move(tiles),
                                           std::move(channel_of_tile), std::move(channel_of_kind),
                                           things_of(things)});
            },
            "channels"_a, "rows"_a, "columns"_a, "cell"_a, "tiles"_a, "channel_of_tile"_a,
            "channel_of_kind"_a, "things"_a)
        .def("draw", &draw_cells, "ram"_a, "left"_a, "out"_a);

    nb::class_<nes::CpuHarness>(module, "CpuHarness", "A 6502 in 64 KiB of plain memory, for tests.")
        .def(nb::init<>())
        .def("step", &nes::CpuHarness::step, "Execute one instruction; returns its cycles.")
        .def(
            "read", [](const nes::CpuHarness& cpu, uint16_t address) { return cpu.memory[address]; },
            "address"_a)
        .def(
            "write",
            [](nes::CpuHarness& cpu, uint16_t address, uint8_t value) { cpu.memory[address] = value; },
            "address"_a, "value"_a)
        .def(
            "load",
            [](nes::CpuHarness& cpu, nb::bytes memory) {
                demand(memory.size() == sizeof cpu.memory, "memory is 65536 bytes");
                std::memcpy(cpu.memory, memory.data(), sizeof cpu.memory);
            },
            "memory"_a)
        .def("dump", [](const nes::CpuHarness& cpu) { return nb::bytes(cpu.memory, sizeof cpu.memory); })
        .def_prop_rw(
            "pc", [](const nes::CpuHarness& cpu) { return cpu.state.pc; },
            [](nes::CpuHarness& cpu, uint16_t value) { cpu.state.pc = value; })
        .def_prop_rw(
            "a", [](const nes::CpuHarness& cpu) { return cpu.state.a; },
            [](nes::CpuHarness& cpu, uint8_t value) { cpu.state.a = value; })
        .def_prop_rw(
            "x", [](const nes::CpuHarness& cpu) { return cpu.state.x; },
            [](nes::CpuHarness& cpu, uint8_t value) { cpu.state.x = value; })
        .def_prop_rw(
            "y", [](const nes::CpuHarness& cpu) { return cpu.state.y; },
            [](nes::CpuHarness& cpu, uint8_t value) { cpu.state.y = value; })
        .def_prop_rw(
            "sp", [](const nes::CpuHarness& cpu) { return cpu.state.sp; },
            [](nes::CpuHarness& cpu, uint8_t value) { cpu.state.sp = value; })
        .def_prop_rw(
            "p", [](const nes::CpuHarness& cpu) { return cpu.state.p; },
            [](nes::CpuHarness& cpu, uint8_t value) { cpu.state.p = value; });

    module.def(
        "rgb",
        [](int index, int emphasis) {
            const uint8_t* color = nes::rgb(index, emphasis);
            return nb::make_tuple(color[0], color[1], color[2]);
        },
        "index"_a, "emphasis"_a = 0,
        "Color of a palette index (0-63) under emphasis bits (red 1, green 2, blue 4).");
}
