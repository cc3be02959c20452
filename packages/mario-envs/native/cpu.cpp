#include "cpu.hpp"

#include "cpu_core.hpp"

namespace nes {
namespace {

struct FlatBus {
    static constexpr uint32_t kOrigin = 0;
    static constexpr bool kQuick = false;
    int32_t now = 0, limit = 1;
    uint8_t* ram;

    uint32_t code(uint32_t i, int32_t) const { return ram[i & 0xFFFF]; }
    uint32_t at(uint32_t i, int32_t) const { return ram[i & 0xFFFF]; }
    uint32_t read(uint32_t address, int32_t&, int32_t&) const { return ram[address]; }
    uint32_t read_early(uint32_t address, int, int32_t&, int32_t&) const { return ram[address]; }
    void write(uint32_t address, uint8_t value, int32_t&, int32_t&) const { ram[address] = value; }
    void write_early(uint32_t, uint8_t, int, int32_t&, int32_t&) const {}
};

}  // namespace

int CpuHarness::step() {
    FlatBus bus;
    bus.ram = memory;
    execute(state, bus);
    return bus.now / kDotsPerCycle;
}

}  // namespace nes
