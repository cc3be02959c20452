#include "machine.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "cpu_core.hpp"

namespace nes {

static_assert(std::has_unique_object_representations_v<ConsoleState>, "a saved state must have no gaps");

/// Within a CPU cycle of three dots, the one that a register access sees.
constexpr int32_t kAccessDot = 2;
/// Dots by which the PPU is ahead when the CPU starts. Consoles differ in it from one power-on to the next;
/// this is that of the cycle-accurate emulator that the tests compare with.
constexpr int32_t kAlignment = 2;
/// Where in the picture the first instruction begins: its top, seven cycles of reset, and the alignment.
constexpr int32_t kPowerOnTime = kFirstLine + 7 * kDotsPerCycle + kAlignment;
/// Makes CPU cycles begin at multiples of three dots, the first instruction in an odd one: sprite DMA tells
/// odd from even, and which comes first also differs between power-ons.
constexpr uint64_t kPowerOnDots =
    2 * kDotsPerCycle - kPowerOnTime % kDotsPerCycle + (kPowerOnTime / kDotsPerCycle % 2 ? 0 : kDotsPerCycle);
static_assert((kPowerOnDots + kPowerOnTime) % kDotsPerCycle == 0);

/// What a console's CPU sees: RAM, registers, ROM.
struct ConsoleBus {
    Machine& machine;
    uint8_t* ram;
    const uint8_t* program;
    int32_t now, limit;

    explicit ConsoleBus(Machine& owner)
        : machine(owner),
          ram(owner.state_.ram),
          program(owner.cartridge_->program.data()),
          now(owner.state_.now),
          limit(owner.next_event()) {}

    NES_INLINE uint32_t read_early(uint32_t address, int early, int32_t time, int32_t&) {
        if (address < 0x2000) return ram[address & (kRamSize - 1)];
        if (address >= 0x8000) return program[address - 0x8000];
        return machine.read_register(address, time, early);
    }
    NES_INLINE uint32_t read(uint32_t address, int32_t time, int32_t& until) {
        return read_early(address, 0, time, until);
    }
    NES_INLINE void write_early(uint32_t address, uint8_t value, int early, int32_t& time, int32_t& until) {
        if (address < 0x2000) {
            ram[address & (kRamSize - 1)] = value;
        } else if (address < 0x8000) {
            // By value and back, so that the interpreter's clocks never have an address and stay in
            // registers.
            const Machine::Clocks clocks = machine.write_register(address, value, {time, until}, early);
            time = clocks.now;
            until = clocks.limit;
        }
    }
    NES_INLINE void write(uint32_t address, uint8_t value, int32_t& time, int32_t& until) {
        write_early(address, value, 0, time, until);
    }
};

/// Executes from anywhere, byte by byte.
struct PlainBus : ConsoleBus {
    using ConsoleBus::ConsoleBus;
    static constexpr uint32_t kOrigin = 0;
    static constexpr bool kQuick = false;
    uint32_t code(size_t i, int32_t time) { return at(i, time); }
    uint32_t at(size_t i, int32_t time) { return read(static_cast<uint32_t>(i & 0xFFFF), time, limit); }
};

/// Executes from ROM, with everything that was read ahead.
struct QuickBus : ConsoleBus {
    static constexpr uint32_t kOrigin = 0x8000;
    static constexpr bool kQuick = true;
    const uint32_t* codes;
    const uint16_t* waits;
    const uint16_t* fills;
    Ppu& ppu;

    QuickBus(Machine& owner, Ppu& picture_unit)
        : ConsoleBus(owner),
          codes(owner.cartridge().code.data()),
          waits(owner.cartridge().waits.data()),
          fills(owner.cartridge().fills.data()),
          ppu(picture_unit) {}

    uint32_t code(size_t i, int32_t) const { return codes[i]; }
    uint32_t at(size_t i, int32_t) const { return program[i]; }
    int32_t fill_period(size_t i) const { return fills[i] & 0xFF; }
    uint32_t fill_step(size_t i) const { return fills[i] >> 8; }
    int32_t wait_period(size_t i) const { return waits[i] & ~Cartridge::kPollsStatus; }
    int32_t wait_until(size_t i, int32_t time, int32_t until) const {
        if (!(waits[i] & Cartridge::kPollsStatus)) return until;
        return std::min(until, ppu.status_steady_until(time) - kDotsPerCycle);
    }
};

Machine::Machine(std::shared_ptr<const Cartridge> cartridge, bool shortcuts)
    : cartridge_(std::move(cartridge)),
      shortcuts_(shortcuts),
      pattern_ram_(cartridge_->has_pattern_ram ? Cartridge::kPatternSize : 0),
      ppu_(*cartridge_, state_.ppu, pattern_ram_.empty() ? nullptr : pattern_ram_.data()) {
    power_on();
}

void Machine::power_on() {
    // NESdev wiki, "CPU power up state", "PPU power up state". The clock starts at the top of the picture,
    // and reset takes 7 cycles before the first instruction.
    state_ = ConsoleState{};
    state_.now = kPowerOnTime;
    state_.ppu.position = kFirstLine;
    state_.dots = kPowerOnDots;
    state_.cpu.sp = 0xFD;
    state_.cpu.pc = static_cast<uint16_t>(cartridge_->program[kResetVector - 0x8000] |
                                          cartridge_->program[kResetVector + 1 - 0x8000] << 8);
    write(state_.apu, 0x4017, 0, state_.now, false);
    std::fill(pattern_ram_.begin(), pattern_ram_.end(), uint8_t{0});
    has_run_ = false;
    ppu_.forget();
}

void Machine::run_frame(Buttons buttons, Ppu::Draw draw, Picture* picture) {
    state_.buttons[0] = buttons;
    before_ = state_;
    if (!pattern_ram_.empty()) pattern_ram_before_ = pattern_ram_;
    has_run_ = true;
    ppu_.begin_frame(draw, picture);
    run_until_frame_ends();
}

bool Machine::draw_again(Ppu::Draw draw, Picture* picture) {
    if (!has_run_) return false;
    const ConsoleState after = state_;
    const std::vector<uint8_t> pattern_ram_after = pattern_ram_;
    state_ = before_;
    if (!pattern_ram_.empty())
        std::copy(pattern_ram_before_.begin(), pattern_ram_before_.end(), pattern_ram_.begin());
    ppu_.forget();
    ppu_.begin_frame(draw, picture);
    run_until_frame_ends();
    state_ = after;
    std::copy(pattern_ram_after.begin(), pattern_ram_after.end(), pattern_ram_.begin());
    ppu_.forget();
    return true;
}

/// The first dot at which something other than instructions may have to be done.
int32_t Machine::next_event() const {
    // Whether the frame is a dot shorter is known only late in it; looking one dot early does no harm.
    int32_t event = state_.now < kLongFrame - 1 ? kLongFrame - 1 : kLongFrame;
    if (state_.ppu.nmi && !state_.cpu.jammed) event = std::min(event, nmi_due());
    // An IRQ that is due already was masked a moment ago and comes after one more instruction.
    if (!(state_.cpu.p & kInterruptDisable))
        event = std::min(event, irq(state_.apu) ? state_.now + 1 : next_irq(state_.apu));
    return event;
}

/// NESdev wiki, "CPU interrupts": the edge is seen at the end of the cycle in which the line falls, and acted
/// upon after an instruction whose last cycle comes later than that.
int32_t Machine::nmi_due() const {
    const int32_t time = state_.ppu.nmi_time;
    const int32_t into_cycle =
        (static_cast<int32_t>(state_.dots % kDotsPerCycle) + time % 3 + 3) % kDotsPerCycle;
    return time - into_cycle + 2 * kDotsPerCycle;
}

void Machine::run_until_frame_ends() {
    for (;;) {
        if (state_.now >= kLongFrame - 1) {
            ppu_.catch_up(state_.now);
            if (state_.now >= ppu_.frame_length()) break;
        }
        if (state_.cpu.jammed) {
            const int32_t left = next_event() - state_.now;
            state_.now += (std::max(left, 1) + kDotsPerCycle - 1) / kDotsPerCycle * kDotsPerCycle;
            continue;
        }
        if (state_.ppu.nmi && state_.now >= nmi_due()) {
            state_.ppu.nmi = 0;
            take_interrupt(kNmiVector);
        } else if (!state_.cpu.irq_masked || !(state_.cpu.p & kInterruptDisable)) {
            catch_up(state_.apu, state_.now);
            if (irq(state_.apu) && !state_.cpu.irq_masked) take_interrupt(kIrqVector);
        }
        execute_some();
    }
    const int32_t length = ppu_.frame_length();
    ppu_.end_frame();
    catch_up(state_.apu, state_.now);
    end_frame(state_.apu, length);
    state_.now -= length;
    state_.dots += static_cast<uint64_t>(length);
}

void Machine::execute_some() {
    const uint32_t i = static_cast<uint32_t>(state_.cpu.pc) - QuickBus::kOrigin;
    if (shortcuts_ && i < Cartridge::kProgramSize && quick_op(cartridge_->code[i]) != kLeave) {
        QuickBus bus(*this, ppu_);
        execute(state_.cpu, bus);
        state_.now = bus.now;
    } else {
        PlainBus bus(*this);
        if (shortcuts_) bus.limit = std::min(bus.limit, bus.now + 1);  // one instruction, then look again
        execute(state_.cpu, bus);
        state_.now = bus.now;
    }
}

void Machine::take_interrupt(uint16_t vector) {
    const uint8_t* program = cartridge_->program.data() + (vector - 0x8000);
    enter_interrupt(state_.cpu, state_.ram, static_cast<uint16_t>(program[0] | program[1] << 8));
    state_.now += 7 * kDotsPerCycle;
}

// ---- Registers ---------------------------------------------------------------------------------------

/// `now` is the end of the instruction, the access comes `early` cycles before its last.
uint32_t Machine::read_register(uint32_t address, int32_t now, int early) {
    const int32_t dot = now - (early + 1) * kDotsPerCycle + kAccessDot;
    if (address < 0x4000) return ppu_.read(address & 7, dot);
    if (address == 0x4015) return read_status(state_.apu, dot);
    if (address == 0x4016 || address == 0x4017) {
        // NESdev wiki, "Standard controller": after the eight buttons come ones; the upper bits are open bus.
        const int port = address & 1;
        if (state_.strobe) state_.shift[port] = state_.buttons[port];
        const uint32_t bit = state_.shift[port] & 1;
        state_.shift[port] = static_cast<uint8_t>(state_.shift[port] >> 1 | 0x80);
        return 0x40 | bit;
    }
    return address >> 8;  // open bus: the last byte fetched, as a rule the operand's high byte
}

Machine::Clocks Machine::write_register(uint32_t address, uint8_t value, Clocks clocks, int early) {
    const int32_t start = clocks.now - (early + 1) * kDotsPerCycle, dot = start + kAccessDot;
    if (address < 0x4000) {
        ppu_.write(address & 7, value, dot);
        if ((address & 7) == 0 && state_.ppu.nmi) clocks.limit = std::min(clocks.limit, clocks.now);
    } else if (address == 0x4014) {
        clocks.now = copy_sprites(value, clocks.now, early);
    } else if (address == 0x4016) {
        state_.strobe = value & 1;
        if (state_.strobe)
            for (int port = 0; port < 2; ++port) state_.shift[port] = state_.buttons[port];
    } else if (address < 0x4018) {
        const bool odd_cycle = (state_.dots + static_cast<uint64_t>(start)) / kDotsPerCycle & 1;
        write(state_.apu, static_cast<uint16_t>(address), value, dot, odd_cycle);
        // An interrupt may come at another time now.
        if (address >= 0x4010) clocks.limit = std::min(clocks.limit, clocks.now);
    }
    return clocks;
}

/// NESdev wiki, "OAM DMA": 256 reads and writes and a cycle to halt, one more to align with even cycles.
/// Returns when it is done.
int32_t Machine::copy_sprites(uint8_t page, int32_t now, int early) {
    ppu_.catch_up(now - (early + 1) * kDotsPerCycle + kAccessDot);
    ConsoleBus bus(*this);
    uint8_t bytes[0x100];
    const uint32_t from = static_cast<uint32_t>(page << 8);
    if (from < 0x2000)
        std::memcpy(bytes, state_.ram + (from & (kRamSize - 1)), sizeof bytes);
    else
        for (uint32_t i = 0; i < 0x100; ++i)
            bytes[i] = static_cast<uint8_t>(bus.read_early(from | i, early, now, bus.limit));
    ppu_.store_sprites(bytes);
    const bool odd_cycle = (state_.dots + static_cast<uint64_t>(now)) / kDotsPerCycle & 1;
    return now + (513 + odd_cycle) * kDotsPerCycle;
}

}  // namespace nes
