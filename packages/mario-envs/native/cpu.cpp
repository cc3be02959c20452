#include "cpu.hpp"

#include "cpu_core.hpp"

namespace nes {
namespace {

struct FlatBus {
    static constexpr uint32_t kOrigin = 0;
    static constexpr bool kQuick = false;
    int32_t now = 0, limit = 1;
    uint8_t* ram;

    uint32_t code(size_t i, int32_t) const { return ram[i & 0xFFFF]; }
    uint32_t at(size_t i, int32_t) const { return ram[i & 0xFFFF]; }
    uint32_t read(uint32_t address, int32_t&, int32_t&) const { return ram[address]; }
    uint32_t read_early(uint32_t address, int, int32_t&, int32_t&) const { return ram[address]; }
    void write(uint32_t address, uint8_t value, int32_t&, int32_t&) const { ram[address] = value; }
    void write_early(uint32_t, uint8_t, int, int32_t&, int32_t&) const {}
};

}  // namespace

bool WaitingLoop::came_around(size_t at, int32_t now, int32_t period, uint32_t registers_now,
                              uint32_t flags_now) {
    const bool same = at == ip && now == time + period && registers_now == registers && flags_now == flags;
    *this = {at, registers_now, flags_now, now};
    return same;
}

uint32_t fill(uint8_t* ram, uint32_t base, uint32_t value, uint32_t y, uint32_t step, int32_t most) {
    uint32_t rounds = 0;
    for (; static_cast<int32_t>(rounds) < most && ((y + step) & 0xFF) != 0; ++rounds) {
        ram[(base + y) & 0x7FF] = static_cast<uint8_t>(value);
        y = (y + step) & 0xFF;
    }
    return rounds;
}

int CpuHarness::step() {
    FlatBus bus;
    bus.ram = memory;
    execute(state, bus);
    return bus.now / kDotsPerCycle;
}

}  // namespace nes
