#include "apu.hpp"

#include <algorithm>

#include "cpu.hpp"
#include "ppu.hpp"

namespace nes {
namespace {

// NESdev wiki, "APU Length Counter", "APU DMC", "APU Frame Counter"; cycles of NTSC machines.
constexpr uint8_t kLengths[32] = {10, 254, 20, 2,  40, 4,  80, 6,  160, 8,  60, 10, 14, 12, 26, 14,
                                  12, 16,  24, 18, 48, 20, 96, 22, 192, 24, 72, 26, 16, 28, 32, 30};
constexpr int kSampleCycles[16] = {428, 380, 340, 320, 286, 254, 226, 214,
                                   190, 160, 142, 128, 106, 84,  72,  54};
constexpr int kFourSteps[4] = {7457, 14913, 22371, 29829};
constexpr int kFiveSteps[4] = {7457, 14913, 22371, 37281};
constexpr int kFourPeriod = 29830, kFivePeriod = 37282;

void count_down(ApuState& apu) {
    for (int i = 0; i < 4; ++i)
        if (apu.length[i] && !apu.halted[i]) --apu.length[i];
}

int32_t dots_between(const ApuState& apu, int step) {
    const int* at = apu.five_steps ? kFiveSteps : kFourSteps;
    const int period = apu.five_steps ? kFivePeriod : kFourPeriod;
    const int cycles = step < 3 ? at[step + 1] - at[step] : at[0] + period - at[3];
    return cycles * kDotsPerCycle;
}

int32_t dots_per_byte(const ApuState& apu) {
    return 8 * kSampleCycles[apu.sample_rate & 15] * kDotsPerCycle;
}

void start_sample(ApuState& apu, int32_t dot) {
    apu.sample_left = static_cast<uint16_t>(apu.sample_length * 16 + 1);
    apu.next_byte = dot + dots_per_byte(apu);
}

}  // namespace

void catch_up(ApuState& apu, int32_t dot) {
    while (apu.next_step <= dot) {
        const int step = apu.step & 3;
        if (step == 1 || step == 3) count_down(apu);
        if (step == 3 && !apu.five_steps && !apu.irq_off) apu.frame_irq = 1;
        apu.next_step += dots_between(apu, step);
        apu.step = static_cast<uint8_t>((step + 1) & 3);
    }
    while (apu.sample_left && apu.next_byte <= dot) {
        if (--apu.sample_left == 0) {
            if (apu.sample_loops)
                apu.sample_left = static_cast<uint16_t>(apu.sample_length * 16 + 1);
            else if (apu.sample_irq_on)
                apu.sample_irq = 1;
        }
        apu.next_byte += dots_per_byte(apu);
    }
}

void write(ApuState& apu, uint16_t address, uint8_t value, int32_t dot, bool odd_cycle) {
    catch_up(apu, dot);
    const int channel = (address - 0x4000) >> 2;
    switch (address) {
        case 0x4000:
        case 0x4004:
        case 0x400C:
            apu.halted[channel] = value >> 5 & 1;
            break;
        case 0x4008:
            apu.halted[channel] = value >> 7;
            break;
        case 0x4003:
        case 0x4007:
        case 0x400B:
        case 0x400F:
            if (apu.enabled >> channel & 1) apu.length[channel] = kLengths[value >> 3];
            break;
        case 0x4010:
            apu.sample_irq_on = value >> 7;
            apu.sample_loops = value >> 6 & 1;
            apu.sample_rate = value & 15;
            if (!apu.sample_irq_on) apu.sample_irq = 0;
            break;
        case 0x4013:
            apu.sample_length = value;
            break;
        case 0x4015:
            apu.enabled = value & 15;
            for (int i = 0; i < 4; ++i)
                if (!(value >> i & 1)) apu.length[i] = 0;
            apu.sample_irq = 0;
            if (!(value & 0x10))
                apu.sample_left = 0;
            else if (!apu.sample_left)
                start_sample(apu, dot);
            break;
        case 0x4017:
            apu.five_steps = value >> 7;
            apu.irq_off = value >> 6 & 1;
            if (apu.irq_off) apu.frame_irq = 0;
            if (apu.five_steps) count_down(apu);
            apu.step = 0;
            // The sequencer starts over 3 or 4 cycles after the write.
            apu.next_step = dot + ((odd_cycle ? 4 : 3) + kFourSteps[0]) * kDotsPerCycle;
            break;
        default:
            break;
    }
}

uint8_t read_status(ApuState& apu, int32_t dot) {
    catch_up(apu, dot);
    uint8_t value =
        static_cast<uint8_t>(apu.sample_irq << 7 | apu.frame_irq << 6 | (apu.sample_left ? 0x10 : 0));
    for (int i = 0; i < 4; ++i) value = static_cast<uint8_t>(value | (apu.length[i] ? 1 << i : 0));
    apu.frame_irq = 0;
    return value;
}

int32_t next_irq(const ApuState& apu) {
    // Not every step brings an interrupt, but looking at each is cheap.
    int32_t next = !apu.five_steps && !apu.irq_off ? apu.next_step : kNever;
    if (apu.sample_irq_on && apu.sample_left) next = std::min(next, apu.next_byte);
    return next;
}

void end_frame(ApuState& apu, int32_t frame_length) {
    apu.next_step -= frame_length;
    apu.next_byte = apu.sample_left ? apu.next_byte - frame_length : 0;
}

}  // namespace nes
