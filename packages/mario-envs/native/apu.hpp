#pragma once

#include <cstdint>

namespace nes {

/// The part of the sound unit that a program can read back: what $4015 says, and its two interrupts.
/// No sound is made. Times are dots of the machine's frame clock. All bytes have meaning.
struct ApuState {
    uint8_t length[4] = {};  ///< length counters: two pulses, triangle, noise
    uint8_t halted[4] = {};  ///< 1 while a length counter stands still
    uint8_t enabled = 0;     ///< bits 0-3 of the last write to $4015
    uint8_t five_steps = 0, irq_off = 0;
    uint8_t step = 0;  ///< the next step of the frame sequencer
    uint8_t frame_irq = 0;
    uint8_t sample_irq = 0, sample_irq_on = 0, sample_loops = 0, sample_rate = 0, sample_length = 0;
    uint16_t sample_left = 0;  ///< bytes of the delta sample still to be fetched
    int32_t next_step = 0;     ///< when `step` happens
    int32_t next_byte = 0;     ///< when the sample's next byte is fetched
};

/// Advances the state to `dot`, inclusive.
void catch_up(ApuState& apu, int32_t dot);

/// A write to $4000-$4013, $4015 or $4017 in the cycle that begins at `dot`; `odd_cycle` is its parity.
void write(ApuState& apu, uint16_t address, uint8_t value, int32_t dot, bool odd_cycle);

/// A read of $4015, without the bit that is open bus.
uint8_t read_status(ApuState& apu, int32_t dot);

/// When to look for an interrupt next, if nothing is written before; kNever if none can come.
int32_t next_irq(const ApuState& apu);

/// Moves the clock to the frame that has just begun.
void end_frame(ApuState& apu, int32_t frame_length);

inline bool irq(const ApuState& apu) {
    return apu.frame_irq || apu.sample_irq;
}

}  // namespace nes
